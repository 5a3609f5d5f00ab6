/**
 * Ways of dying × stages of a trace × ways of marking: after each, rules (as every tool lists them) and settings are the same
 * bytes as before, no process of ours lives and no journal is left.
 */
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { RawSelectors } from "../../src/core/plans/raw-rules.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { startTrace, type TraceOptions } from "../../src/tracing/trace.ts";
import { BREAKS, brokenProgram, DEFECTS } from "../support/broken-program.ts";
import {
  Doom,
  type DoomOptions,
  killIfThere,
  MECHANISMS,
  type Mechanism,
  NFT_RULES,
  type TraceRun,
  until,
} from "../support/doomed-run.ts";
import { sendUdp, shell } from "../support/namespaces.ts";

const missing = ["nft", "ip", "nsenter", "unshare", "iptables-legacy"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

/**
 * before: nothing is changed, the rules are being read. half-way: the loggers are set, the table is not there, or the rules of
 * one chain of two. ending: the table is gone, or the rules of one family, the loggers are still set (the guardian is stopped,
 * or its iptables waits, so that the moment lasts).
 */
const STAGES = ["before", "half-way", "tracing", "ending"] as const;
type Stage = (typeof STAGES)[number];

async function bringTo(stage: Stage, doom: Doom, words: readonly string[] = []): Promise<TraceRun> {
  if (stage === "before") doom.closeGate("rules");
  if (stage === "half-way") doom.closeGate("table");
  const run = doom.trace(...words);
  switch (stage) {
    case "before":
      await doom.reached("rules");
      expect(await doom.hasChanged()).toBe(false);
      return run;
    case "half-way":
      await doom.reached("table");
      expect(await doom.state()).toMatch(/nfnetlink_log nfnetlink_log$/);
      if (doom.mechanism === "iptables") {
        expect(await doom.state()).toMatch(/-A PREROUTING .*nfpath:/);
        expect(await doom.state()).not.toMatch(/-A OUTPUT .*nfpath:/);
      }
      return run;
    case "tracing":
      await until(`tracing: ${run.said()}`, () => run.said().includes("tracing for"));
      expect(await doom.state()).toMatch(
        doom.mechanism === "nft" ? /table inet nfpath_/ : /(-A OUTPUT .*nfpath:[\s\S]*){6}/,
      );
      return run;
    case "ending":
      await until("tracing", () => run.said().includes("tracing for"));
      if (doom.mechanism === "nft") process.kill(doom.process("guardian"), "SIGSTOP");
      else doom.closeGate("undo");
      process.kill(run.pid, "SIGINT");
      if (doom.mechanism === "nft")
        await until("the table is gone", async () => !(await doom.state()).includes("nfpath_"));
      else await doom.reached("undo");
      expect(await doom.state()).toMatch(/nfnetlink_log nfnetlink_log$/);
      return run;
  }
}

/** What was held at its stage goes on. */
function letGo(stage: Stage, doom: Doom, guardian: number | null): void {
  doom.openGates();
  if (stage === "ending" && guardian !== null) killIfThere(guardian, "SIGCONT");
}

function guardianAt(stage: Stage, doom: Doom): number | null {
  return stage === "before" ? null : doom.process("guardian");
}

async function withDoom(work: (doom: Doom) => Promise<void>, options: DoomOptions = {}): Promise<void> {
  const doom = await Doom.prepare(options);
  try {
    await work(doom);
  } finally {
    await doom.cleanUp();
  }
}

const withDoomOf =
  (mechanism: Mechanism) =>
  (work: (doom: Doom) => Promise<void>, options: DoomOptions = {}) =>
    withDoom(work, { mechanism, ...options });

const cases = <Way extends string>(ways: readonly Way[], stages: readonly Stage[]) =>
  ways.flatMap((way) => stages.map((stage) => [way, stage] as const));

describe.skipIf(lacks !== null).each(MECHANISMS)("a trace by %s that ends", (mechanism) => {
  const withDoom = withDoomOf(mechanism);

  it.concurrent.each(cases(["SIGINT", "SIGTERM", "SIGHUP"], STAGES))("by %s %s", (signal, stage) =>
    withDoom(async (doom) => {
      const run = await bringTo(stage, doom);
      const guardian = guardianAt(stage, doom);
      process.kill(run.pid, signal);
      letGo(stage, doom, guardian);
      expect([await run.ended, await doom.differences()]).toEqual([0, []]);
    }),
  );

  it.concurrent.each(STAGES)("by SIGKILL %s is undone by its guardian", (stage) =>
    withDoom(async (doom) => {
      const run = await bringTo(stage, doom);
      const guardian = guardianAt(stage, doom);
      process.kill(run.pid, "SIGKILL");
      expect(await run.ended).toBe("SIGKILL");
      letGo(stage, doom, guardian);
      expect(await doom.differences()).toEqual([]);
    }),
  );

  it.concurrent.each(["half-way", "tracing", "ending"] as const)("by SIGKILL of its guardian %s", (stage) =>
    withDoom(async (doom) => {
      const run = await bringTo(stage, doom);
      const guardian = doom.process("guardian");
      process.kill(guardian, "SIGKILL");
      letGo(stage, doom, null);
      // It notices, and does not go on marking packets for nobody; or has not begun to, where the guardian appends the rules.
      const hasBegun = mechanism === "nft" || stage !== "half-way";
      expect([await run.ended, await doom.differences()]).toEqual([hasBegun ? 0 : 3, []]);
      expect(run.said()).toContain("the collector process ended before its time");
    }),
  );

  it.concurrent.each(["half-way", "tracing", "ending"] as const)(
    "by SIGKILL of both %s is undone by `nfpath undo`, twice if you like",
    (stage) =>
      withDoom(async (doom) => {
        const run = await bringTo(stage, doom);
        const guardian = doom.process("guardian");
        process.kill(guardian, "SIGKILL");
        process.kill(run.pid, "SIGKILL");
        await run.ended;
        letGo(stage, doom, null);
        const [first, second] = [await doom.undo(), await doom.undo()];
        expect(first.status).toBe(0);
        expect(first.text).toMatch(
          /^run \w{8}: .*net\.netfilter\.nf_log\.10 in namespace \w+ is nf_log_ipv6 again; net\.netfilter\.nf_log\.2 in namespace \w+ is nf_log_ipv4 again\n$/,
        );
        expect(second).toEqual({ status: 0, text: "nothing to undo\n" });
        expect(await doom.differences()).toEqual([]);
      }),
  );

  it.concurrent.each(STAGES)("by a reader that goes away %s", (stage) =>
    withDoom(async (doom) => {
      const run = await bringTo(stage, doom);
      const guardian = guardianAt(stage, doom);
      run.child.stdout?.destroy();
      letGo(stage, doom, guardian);
      // It finds out when it writes: while it traces, of a packet; at the end, of the rest.
      const sending = setInterval(() => void sendUdp(doom.netns, "127.0.0.1", 9).catch(() => {}), 300);
      const status = await run.ended;
      clearInterval(sending);
      expect([status, await doom.differences()]).toEqual([0, []]);
    }),
  );

  it.concurrent.each([
    ["before", 2],
    ["half-way", 3],
  ] as const)("because the disk is full %s", (_stage, inodes) =>
    withDoom(async (doom) => {
      // A directory and a lock fit; or one journal besides, which can then not be rewritten.
      const mount = `mount -t tmpfs -o nr_inodes=${inodes} none /run/nfpath
        "$@"; status=$?; ls /run/nfpath >&2; exit $status; true`;
      const words = ["trace", "udp", "--netns", doom.netns, "--mechanism", mechanism];
      const run = doom.start(words, mount);
      expect([await run.ended, await doom.differences()]).toEqual([3, []]);
      expect(run.said()).toMatch(/the undo cannot be written down \(.*ENOSPC\); make room in \/run/);
      expect(run.said()).toMatch(/\nlock\n$/);
    }),
  );

  it.concurrent("while the disk has become full", () =>
    withDoom(async (doom) => {
      const mount = `mount -t tmpfs -o size=64k none /run/nfpath
        "$@"; status=$?; ls /run/nfpath >&2; exit $status; true`;
      const run = doom.start(["trace", "udp", "--netns", doom.netns, "--mechanism", mechanism], mount);
      await until("tracing", () => run.said().includes("tracing for"));
      const fill = `/proc/${run.pid}/root/run/nfpath/fill`;
      expect(() => writeFileSync(fill, Buffer.alloc(1 << 20))).toThrow("ENOSPC");
      // The shell that waits for nfpath is the one that the test has started.
      await shell(`pkill -INT -P ${run.pid}`);
      expect([await run.ended, await doom.differences()]).toEqual([0, []]);
      expect(run.said()).toMatch(/\nfill\nlock\n$/);
    }));

  it.concurrent.each(["before", "half-way", "ending"] as const)("by a defect that throws %s", (stage) => {
    const broken = brokenProgram(DEFECTS[stage](mechanism));
    return withDoom(
      async (doom) => {
        const run = doom.trace("--for", "1s");
        // In a process of ours it is a refusal, and told as one.
        const isGuardians = mechanism === "iptables" && stage === "half-way";
        expect([await run.ended, await doom.differences()]).toEqual([isGuardians ? 3 : 1, []]);
        expect(run.said()).toContain(
          isGuardians ? "the collector process ended before its time" : "a defect",
        );
      },
      { program: broken.program },
    ).finally(broken.remove);
  });

  it.concurrent("because its words are wrong", () =>
    withDoom(async (doom) => {
      const run = doom.start(["trace", "upd", "--netns", doom.netns]);
      expect([await run.ended, await doom.differences()]).toEqual([2, []]);
    }));

  it.concurrent("because the filter is refused half-way", () =>
    withDoom(async (doom) => {
      const rules = {
        program: "iptables-legacy",
        prerouting: [["-p", "17"]],
        output: [["-p", "nonsense"]],
      } as const;
      const trace = await startTrace(
        options(doom, {
          selectors: { prerouting: ["nonsense"], output: [] },
          rawRules: mechanism === "nft" ? null : [rules],
        }),
      );
      expect(trace).toMatchObject({ ok: false, error: { kind: "program-failed" } });
      expect(await doom.differences()).toEqual([]);
    }));

  it.concurrent("because whoever asked for the events throws", () =>
    withDoom(async (doom) => {
      const onEvents = () => {
        throw new Error("a defect in a listener");
      };
      const trace = await startTrace(options(doom, { onEvents }));
      if (!trace.ok) throw new Error(trace.error.message);
      await sendUdp(doom.netns, "127.0.0.1", 9);
      await trace.value.broken;
      await expect(trace.value.stop()).rejects.toThrow("a defect in a listener");
      expect(await doom.differences()).toEqual([]);
    }));

  it.concurrent.each(STAGES)("because its namespace is deleted %s", (stage) =>
    withDoom(async (doom) => {
      const run = await bringTo(stage, doom);
      const guardian = guardianAt(stage, doom);
      await shell(`ip netns delete ${doom.netns}`);
      letGo(stage, doom, guardian);
      // At its end it has had its signal, and a second one ends it at once when its work is done.
      if (stage === "half-way" || stage === "tracing") process.kill(run.pid, "SIGINT");
      expect([await run.ended, await doom.differences()]).toEqual([stage === "before" ? 2 : 0, []]);
    }),
  );

  it.concurrent("whose nameless namespace is only found by what lives in it", () =>
    withDoom(async (doom) => {
      const run = await bringTo("tracing", doom);
      const inhabitant = shell("sleep 20", doom.netns).catch(() => {});
      const living = `for pid in $(ip netns pids ${doom.netns}); do cat /proc/$pid/comm || :; done 2>&-`;
      await until("somebody lives there", async () => (await shell(living)).includes("sleep"));
      process.kill(doom.process("guardian"), "SIGKILL");
      process.kill(run.pid, "SIGKILL");
      await shell(`ip netns delete ${doom.netns}`);
      expect((await doom.undo()).text).toContain("is nf_log_ipv4 again");
      expect(await doom.differences()).toEqual([]);
      void inhabitant;
    }));

  it.concurrent("because another reads NFLOG group 0: that one goes on, and puts back what it set", () =>
    withDoom(async (doom) => {
      const first = await bringTo("tracing", doom);
      const changed = await doom.state();
      const second = doom.trace();
      expect(await second.ended).toBe(3);
      expect(second.said()).toContain("NFLOG group 0");
      expect(await doom.state()).toBe(changed);
      expect(doom.journalNames()).toHaveLength(1);
      process.kill(first.pid, "SIGINT");
      expect([await first.ended, await doom.differences()]).toEqual([0, []]);
    }));
});

const UDP_9: RawSelectors = {
  program: "iptables-legacy",
  prerouting: [["-p", "17", "--dport", "9"]],
  output: [["-p", "17", "--dport", "9"]],
};

function options(doom: Doom, changed: Partial<TraceOptions>): TraceOptions {
  return {
    selectors: { prerouting: ["udp dport 9"], output: ["udp dport 9"] },
    rawRules: doom.mechanism === "nft" ? null : [UDP_9],
    netns: [doom.netns],
    deadlineSeconds: 20,
    ratePerSecond: 100,
    onEvents: () => {},
    ...changed,
  };
}

describe.skipIf(lacks !== null)("rules in raw", () => {
  it.concurrent("leave an empty raw table where there was none, and nothing else", () =>
    withDoom(
      async (doom) => {
        const before = await doom.state();
        expect(before).not.toContain("*raw");
        const run = await bringTo("tracing", doom);
        process.kill(run.pid, "SIGINT");
        await run.ended;
        const empty = "*raw\n:PREROUTING ACCEPT \n:OUTPUT ACCEPT \nCOMMIT\n";
        const after = await doom.state();
        expect(after.split(empty)).toHaveLength(3);
        expect(after.replaceAll(empty, "").replace(/\n+/g, "\n")).toBe(before.replace(/\n+/g, "\n"));
      },
      { mechanism: "iptables", rules: NFT_RULES },
    ));

  it.concurrent("that somebody deletes are told of at the end, and nothing is missed in the undo", () =>
    withDoom(
      async (doom) => {
        const run = await bringTo("tracing", doom);
        await shell("iptables-legacy -t raw -D PREROUTING 2; iptables-legacy -t raw -D OUTPUT 1", doom.netns);
        process.kill(run.pid, "SIGINT");
        expect([await run.ended, await doom.differences()]).toEqual([0, []]);
        expect(run.said()).toContain(
          "2 rules of this trace were deleted from raw (iptables-legacy) before its end",
        );
      },
      { mechanism: "iptables" },
    ));
});

describe.skipIf(lacks !== null)("two runs", () => {
  it.concurrent("at once, where no legacy rule makes them share a reader, each show their own packets", () =>
    withDoom(
      async (doom) => {
        const words = ["--netns", doom.netns, "--format", "jsonl", "--for", "20s"];
        const runs = [9, 10].map((port) => {
          const run = doom.start(["trace", `udp dst port ${port}`, ...words]);
          let text = "";
          run.child.stdout?.on("data", (chunk) => {
            text += chunk;
          });
          return {
            ...run,
            shown: () =>
              text
                .trim()
                .split("\n")
                .map((line) => JSON.parse(line).packet.dport),
          };
        });
        for (const run of runs) await until("tracing", () => run.said().includes("tracing for"));
        await sendUdp(doom.netns, "127.0.0.1", 9, 2);
        await sendUdp(doom.netns, "127.0.0.1", 10, 3);
        for (const run of runs) process.kill(run.pid, "SIGINT");
        expect(await Promise.all(runs.map((run) => run.ended))).toEqual([0, 0]);
        expect(runs.map((run) => run.shown())).toEqual([
          [9, 9],
          [10, 10, 10],
        ]);
        expect(await doom.differences()).toEqual([]);
      },
      { rules: NFT_RULES },
    ));

  it.concurrent("of which the first was killed with its guardian: the second puts back what the host had", () =>
    withDoom(async (doom) => {
      const first = await bringTo("tracing", doom);
      process.kill(doom.process("guardian"), "SIGKILL");
      process.kill(first.pid, "SIGKILL");
      await first.ended;
      const second = doom.trace();
      await until("tracing", () => second.said().includes("tracing for"));
      expect(second.said()).toMatch(
        /^a run that was killed left changes on this host \(\w+\); put them back with: nfpath undo$/m,
      );
      // The first one's journal is tidied up, its settings are left to the second.
      const undo = await doom.undo();
      expect(undo.text).toMatch(
        /nf_log\.2 in namespace \w+ is left to run \w+, which still traces and puts it back/,
      );
      expect(undo.text).toMatch(/run \w+ is still tracing \(process [\d, ]+\): left alone/);
      expect(await doom.state()).toMatch(/nfnetlink_log nfnetlink_log$/);
      process.kill(second.pid, "SIGINT");
      expect([await second.ended, await doom.differences()]).toEqual([0, []]);
    }));

  it.concurrent("of which the first is not undone: the last one out puts it back all the same", () =>
    withDoom(async (doom) => {
      const first = await bringTo("tracing", doom);
      process.kill(doom.process("guardian"), "SIGKILL");
      process.kill(first.pid, "SIGKILL");
      await first.ended;
      const second = doom.trace();
      await until("tracing", () => second.said().includes("tracing for"));
      process.kill(second.pid, "SIGINT");
      await second.ended;
      expect(await doom.hasChanged()).toBe(false);
      expect((await doom.undo()).text).toMatch(/^run \w+: nothing was left to put back\n$/);
      expect(await doom.differences()).toEqual([]);
    }));

  it.concurrent("of which the second begins while the first ends: neither takes the other's setting", () =>
    withDoom(async (doom) => {
      // The first has let go of everything but its settings; the second has written down that it wants them.
      const first = await bringTo("ending", doom);
      const guardian = doom.process("guardian");
      const held = await doom.state();
      const second = doom.trace();
      await until("its journal", () => doom.journalNames().length === 2 || second.child.exitCode !== null);
      process.kill(guardian, "SIGCONT");
      await first.ended;
      const isTracing = () => second.said().includes("tracing for");
      await until("the second", () => isTracing() || second.child.exitCode !== null);
      // Either it was refused the group that the first still had, or it traces with the settings in force.
      if (isTracing()) expect((await doom.state()).split("\n").at(-1)).toBe(held.split("\n").at(-1));
      killIfThere(second.pid, "SIGINT");
      await second.ended;
      expect(await doom.differences()).toEqual([]);
    }));
});

describe.skipIf(lacks !== null)("the comparison", () => {
  it.concurrent.each([
    ["settings", "nft", BREAKS.settings],
    ["journals", "nft", BREAKS.journals],
    ["rules", "iptables", BREAKS.rules],
  ] as const)("fails when %s are not put back", (_what, mechanism, change) => {
    const broken = brokenProgram(change);
    return withDoom(
      async (doom) => {
        const run = await bringTo("tracing", doom);
        process.kill(run.pid, "SIGINT");
        await run.ended;
        expect(await doom.differences()).toHaveLength(1);
      },
      { program: broken.program, mechanism },
    ).finally(broken.remove);
  });
});
