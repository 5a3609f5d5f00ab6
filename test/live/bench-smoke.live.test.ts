/** `npm run bench` works: every row runs once, tiny, and none fails. Its figures are no matter here. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listNetns } from "../../src/linux/netns.ts";
import { root } from "../support/cli.ts";

/** Half a minute where nobody else is at work. */
const MOST_MS = 280_000;

interface Result {
  readonly schema: string;
  readonly rows: readonly { readonly id: string; readonly failed?: string; readonly nfpath?: object }[];
}

test("every group of the bench measures something, nothing fails, and no namespace stays", () => {
  const before = listNetns();
  const words = ["run", "--silent", "bench", "--", "--smoke", "--json"];
  const ran = spawnSync("npm", words, { cwd: root, encoding: "utf8", timeout: MOST_MS });
  expect([ran.status, ran.signal, ran.stderr]).toEqual([0, null, expect.not.stringContaining("FAILED")]);
  const { schema, rows }: Result = JSON.parse(ran.stdout);
  expect(schema).toBe("nfpath/bench@1");
  expect(rows.filter(({ failed }) => failed !== undefined)).toEqual([]);
  const groups = readdirSync(join(root, "bench/rows")).map((name) => name.replace(".ts", ""));
  const measured = new Set(
    rows.flatMap(({ id, nfpath }) => (nfpath === undefined ? [] : [id.split("/")[0]])),
  );
  expect([...measured].toSorted()).toEqual(groups.toSorted());
  const left = listNetns().filter((name) => name.startsWith("nfpath-bench-") && !before.includes(name));
  expect(left).toEqual([]);
}, 300_000);
