/**
 * Traces by rules in raw, and steps from the kernel log where NFLOG group 0 has another reader: what is told of packets is what
 * became of them, and what cannot be done is refused with the reason.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { startProcess } from "../../src/linux/process.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { nfpath } from "../support/cli.ts";
import { until } from "../support/doomed-run.ts";
import { addCable, addNetns, deleteNetns, shell } from "../support/namespaces.ts";

const missing = ["nft", "ip", "nsenter", "iptables-legacy", "ip6tables-legacy", "tcpdump", "bash"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const NEAR = `nfpRn${process.pid}`;
const FAR = `nfpRf${process.pid}`;

const ALL_NETNS = "/proc/sys/net/netfilter/nf_log_all_netns";
/** Shown in the first namespace alone; elsewhere these tests have no kernel log to read. */
const hasKernelLog = lacks === null && isReadable(ALL_NETNS) && isReadable("/proc/sys/kernel/printk");

function isReadable(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}

interface Traced {
  readonly status: number | null;
  readonly said: string;
  readonly journeys: readonly JourneyContract[];
}

/** Traces while bash runs these lines in the near namespace. */
async function trace(filter: string, lines: string, ...words: readonly string[]): Promise<Traced> {
  const { status, stdout, stderr } = await nfpath([
    ...["trace", filter, "--netns", NEAR, "--format", "jsonl", "--for", "20s", ...words],
    ...["--", "nsenter", `--net=/run/netns/${NEAR}`, "bash", "--norc", "-c", lines],
  ]);
  const journeys = stdout.split("\n").filter(Boolean);
  return { status, said: stderr, journeys: journeys.map((line) => JSON.parse(line) as JourneyContract) };
}

const waysOf = ({ journeys }: Traced) =>
  journeys.map(({ packet, outcome }) => [packet.dst, packet.dport, outcome.verdict, outcome.cause]);

describe.skipIf(lacks !== null)(`without nft${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  beforeEach(async () => {
    await addNetns(NEAR);
    await addNetns(FAR);
    await addCable(NEAR, FAR);
    await shell(
      `iptables-legacy -A INPUT -p udp --dport 9 -j DROP; iptables-legacy -A OUTPUT -p udp --dport 11 -j DROP
       ip6tables-legacy -A INPUT -p udp --dport 9 -j DROP; iptables-legacy -t raw -A OUTPUT -p udp --dport 12 -j ACCEPT`,
      NEAR,
    );
  });

  afterEach(async () => {
    await deleteNetns(NEAR);
    await deleteNetns(FAR);
  });

  const SENDS = `
    for port in 9 11 12 13; do echo hi > /dev/udp/127.0.0.1/$port; done
    echo hi > /dev/udp/::1/9; echo hi > /dev/udp/192.0.2.2/10; true`;

  test("packets are followed by rules in raw, none vanishes, and no rule of ours is taken for the host's", async () => {
    const traced = await trace("udp", SENDS, "--mechanism", "iptables");
    expect(waysOf(traced).toSorted()).toEqual(
      [
        ["127.0.0.1", 9, "dropped", "rule-drop"],
        ["127.0.0.1", 11, "dropped", "rule-drop"],
        // raw lets it through before ours in OUTPUT; in PREROUTING it is marked.
        ["127.0.0.1", 12, "rejected", "no-listener"],
        ["127.0.0.1", 13, "rejected", "no-listener"],
        ["::1", 9, "dropped", "rule-drop"],
        ["192.0.2.2", 10, "sent", null],
      ].toSorted(),
    );
    expect(JSON.stringify(traced.journeys)).not.toContain("nfpath:");
    expect(traced.said).toContain(
      "rules in legacy iptables' raw table, behind all others there: as you asked\n",
    );
    expect(traced.said).toContain(
      "packets that another rule of raw accepts or drops before that are not seen\n",
    );
    expect(traced.said).not.toContain("the rules changed");
  });

  test("what plain matches cannot say is said in bytecode", async () => {
    const long = "printf '%0200d' 1 > /dev/udp/127.0.0.1/9";
    const traced = await trace("udp and greater 200", `${SENDS}; ${long}`, "--mechanism", "iptables");
    expect(waysOf(traced)).toEqual([["127.0.0.1", 9, "dropped", "rule-drop"]]);
    expect(traced.journeys[0]?.packet.length).toBe(228);
  });

  test("a filter that neither can say is refused with the reasons, and so is a script's mechanism", async () => {
    const refused = await trace("on lo and greater 200", SENDS, "--mechanism", "iptables");
    expect([refused.status, refused.said]).toEqual([
      2,
      expect.stringMatching(
        /^nfpath: filter: iptables rules cannot choose these packets: plain iptables matches cannot say .*, and bytecode cannot say where a packet comes in; .*\n$/,
      ),
    ]);
    const script = await nfpath(["trace", "udp", "--print-script", "--mechanism", "iptables"]);
    expect([script.status, script.stderr]).toEqual([2, expect.stringContaining("NFPATH_MECHANISM=iptables")]);
  });

  test("more packets than the limit are counted as a gap", async () => {
    const many = "for i in 1 2 3 4 5 6 7 8; do echo hi > /dev/udp/192.0.2.2/10; done";
    const traced = await trace("udp", many, "--mechanism", "iptables", "--rate", "2");
    const missed = Number(/gap \(selector-limit\): (\d+) packets/.exec(traced.said)?.[1]);
    expect(traced.journeys.length + missed).toBe(8);
    expect(missed).toBeGreaterThan(0);
  });

  test("where there is no nft this way is taken, and the reason told", async () => {
    const hide = `mount --bind /dev/null ${findProgram("nft")} && exec "$@"`;
    const run = await nfpath(["trace", "udp", "--netns", NEAR, "--dry-run"], {
      under: ["unshare", "-m", "sh", "-c", hide, "sh"],
    });
    expect([run.status, run.stderr]).toEqual([0, expect.stringContaining(": nft is not installed\n")]);
    expect(run.stdout).toContain(
      "iptables-legacy -w -t raw -A PREROUTING -p 17 -m comment --comment nfpath:",
    );
    expect(run.stdout).not.toContain("nft -i");
  });

  describe.skipIf(!hasKernelLog)(
    `where NFLOG group 0 has another reader${hasKernelLog ? "" : " (skipped: needs the first network namespace)"}`,
    () => {
      let before = "";
      let end: () => Promise<void> = async () => {};

      beforeEach(async () => {
        before = readFileSync(ALL_NETNS, "utf8").trim();
        const tcpdump = startProcess("tcpdump", ["-i", "nflog:0", "-w", "/dev/null"], { netns: NEAR });
        if (!tcpdump.ok) throw new Error(tcpdump.error.message);
        let said = "";
        tcpdump.value.stderr.on("data", (chunk) => {
          said += chunk;
        });
        tcpdump.value.stdout.resume();
        end = async () => {
          tcpdump.value.kill("SIGTERM");
          await tcpdump.value.exited;
        };
        await until("tcpdump listens", () => said.includes("listening on"));
      });

      afterEach(async () => {
        await end();
        writeFileSync(ALL_NETNS, before);
      });

      test("a namespace whose lines do not reach the kernel log is refused, with the command that helps", async () => {
        writeFileSync(ALL_NETNS, "0");
        const refused = await trace("udp", SENDS);
        expect([refused.status, refused.said]).toEqual([
          3,
          expect.stringMatching(
            /NFLOG group 0 in namespace \w+ already has its one reader: tcpdump \(process \d+\); .*sysctl -w net\.netfilter\.nf_log_all_netns=1\n$/,
          ),
        ]);
      });

      test.each(["nft", "iptables"])(
        "the kernel log is read, by %s, and the logger put back",
        async (mechanism) => {
          writeFileSync(ALL_NETNS, "1");
          const logger = "sysctl -n net.netfilter.nf_log.2 net.netfilter.nf_log.10";
          const loggers = await shell(logger, NEAR);
          const traced = await trace("udp dst port 9", SENDS, "--mechanism", mechanism);
          expect(traced.said).toMatch(
            /already has its one reader: tcpdump \(process \d+\); legacy steps of namespace \w+ are read from the kernel log\n/,
          );
          expect(waysOf(traced).toSorted()).toEqual([
            ["127.0.0.1", 9, "dropped", "rule-drop"],
            ["::1", 9, "dropped", "rule-drop"],
          ]);
          expect(await shell(logger, NEAR)).toBe(loggers);
        },
      );

      test("two traces read it at once, each its own packets, and the last one out puts the logger back", async () => {
        writeFileSync(ALL_NETNS, "1");
        const logger = "sysctl -n net.netfilter.nf_log.2 net.netfilter.nf_log.10";
        const loggers = await shell(logger, NEAR);
        const [first, second] = await Promise.all(
          [9, 11].map((port) => trace(`udp dst port ${port}`, `sleep 2; ${SENDS}; sleep 1`)),
        );
        expect([first, second].map((traced) => traced?.status)).toEqual([0, 0]);
        const ports = [first, second].map((traced) => [
          ...new Set(traced?.journeys.map(({ packet }) => packet.dport)),
        ]);
        expect(ports).toEqual([[9], [11]]);
        expect(await shell(logger, NEAR)).toBe(loggers);
      });
    },
  );
});
