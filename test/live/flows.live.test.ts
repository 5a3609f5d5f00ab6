/** One connection through two namespaces, traced in both: one flow, with its retransmissions and the rule that ended it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FlowContract } from "../../src/core/views/flow-contract.ts";
import { checkHost } from "../../src/tracing/preflight.ts";
import { nfpath } from "../support/cli.ts";
import { addCable, addNetns, deleteNetns, shell } from "../support/namespaces.ts";

const host = checkHost([null], null);
const near = `nfpFn${process.pid}`;
const far = `nfpFf${process.pid}`;

describe.skipIf(!host.ok)("nfpath trace --flows (needs root and nft)", () => {
  beforeAll(async () => {
    await addNetns(near);
    await addNetns(far);
    await addCable(near, far);
    await shell(
      "nft 'table inet fw { chain in { type filter hook input priority 0; tcp dport 7002 drop; }; }'",
      far,
    );
  });

  afterAll(async () => {
    await deleteNetns(near);
    await deleteNetns(far);
  });

  test("groups the packets of both namespaces", { timeout: 60_000 }, async () => {
    // Long enough for the kernel to send the SYN again, which it does after a second.
    const code = `
      require("node:net").connect(7002, "192.0.2.2").on("error", () => {});
      setTimeout(() => process.exit(), 1600);`;
    const { stdout } = await nfpath([
      ...[
        "trace",
        "tcp port 7002",
        "--netns",
        near,
        "--netns",
        far,
        "--for",
        "20s",
        "--flows",
        "--format",
        "jsonl",
      ],
      ...["--", "nsenter", `--net=/run/netns/${near}`, process.execPath, "-e", code],
    ]);
    const flows = stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as FlowContract);
    expect(flows).toHaveLength(1);
    const [flow] = flows;
    expect(new Set(flow?.netns)).toEqual(new Set([near, far]));
    expect(flow).toMatchObject({ schema: "nfpath/flow@1", protocol: "tcp", back: 0 });
    expect(flow?.sentAgain).toBeGreaterThanOrEqual(2);
    const ends = flow?.packets.map(({ netns, outcome }) => `${netns} ${outcome.verdict}`);
    expect(new Set(ends)).toEqual(new Set([`${near} sent`, `${far} dropped`]));
  });
});
