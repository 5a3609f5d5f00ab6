import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Plan } from "../../../src/core/plans/plan.ts";
import { identifyProcess } from "../../../src/linux/process-identity.ts";
import { journalDirectories, openJournalDirectory } from "../../../src/linux/undo/directory.ts";
import {
  addProcesses,
  type Journal,
  listJournals,
  readJournal,
  rememberedValue,
  stateOfRun,
  writeJournal,
} from "../../../src/linux/undo/journal.ts";
import { revertRun } from "../../../src/linux/undo/revert-run.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "nfpath-undo-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A setting that no kernel has: nothing on the host can change. */
const NAME = "net.netfilter.nf_log.99";

function planOf(runId: string, original = "a", netns: string | null = null): Plan {
  return {
    runId,
    changes: [
      {
        says: "set something",
        netns,
        apply: { kind: "write-sysctl", name: NAME, value: "b", expected: original },
        revert: { kind: "write-sysctl", name: NAME, value: original, expected: "b" },
      },
    ],
  };
}

const OWN_WORDS = ["-p", "17", "-m", "comment", "--comment", "nfpath:ab12"];

function ruleOf(runId: string): Plan {
  const rule = { program: "iptables-legacy", chain: "OUTPUT", words: [...OWN_WORDS, "-j", "TRACE"] } as const;
  const apply = { kind: "append-rule", ...rule } as const;
  return {
    runId,
    changes: [{ says: "mark", netns: null, apply, revert: { kind: "delete-rule", ...rule } }],
  };
}

function change(path: string, with_: (journal: Journal) => object): void {
  const journal = readJournal(path);
  if (journal === null) throw new Error("no journal");
  writeFileSync(path, JSON.stringify(with_(journal)));
}

/** As it is on disk when its process has gone. */
const dead = (journal: Journal) => ({
  ...journal,
  processes: journal.processes.map((known) => ({ ...known, startedAt: "1" })),
});

describe("a journal", () => {
  it("holds the whole plan, who runs it and where, and nothing else is in the directory", () => {
    const { path, journal } = writeJournal(directory, planOf("ab12"));
    expect(path).toBe(join(directory, "ab12.json"));
    expect(readdirSync(directory)).toEqual(["ab12.json"]);
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(journal);
    expect(journal.processes).toEqual([{ role: "main", ...identifyProcess(process.pid) }]);
    expect(journal.namespaces).toEqual([{ netns: null, inode: expect.stringMatching(/^\d+$/) }]);
  });

  it("takes up further processes, unless it is gone", () => {
    const { path } = writeJournal(directory, planOf("ab12"));
    expect(addProcesses(path, "guardian", [process.pid])?.journal.processes.map(({ role }) => role)).toEqual([
      "main",
      "guardian",
    ]);
    rmSync(path);
    expect(addProcesses(path, "guardian", [process.pid])).toBeNull();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("tells whether its run lives, also when the process's number was given to another", () => {
    const { path, journal } = writeJournal(directory, planOf("ab12"));
    expect(stateOfRun(journal)).toBe("alive");
    expect(stateOfRun({ ...journal, boot: "another" })).toBe("rebooted");
    expect(stateOfRun({ ...journal, pidNamespace: "pid:[1]" })).toBe("elsewhere");
    change(path, dead);
    const reused = readJournal(path);
    expect(reused !== null && stateOfRun(reused)).toBe("dead");
    const own = identifyProcess(process.pid);
    if (own === null || reused === null) throw new Error("no process");
    const withGuardian = [...reused.processes, { role: "guardian" as const, ...own }];
    expect(stateOfRun({ ...reused, processes: withGuardian })).toBe("ending");
    const withTable = [...reused.processes, { role: "table-holder" as const, ...own }];
    expect(stateOfRun({ ...reused, processes: withTable })).toBe("dead");
  });

  it.each<[string, (journal: Journal) => object]>([
    ["is of another version", (journal) => ({ ...journal, schema: "nfpath/undo@9" })],
    ["has no processes", ({ processes: _, ...journal }) => journal],
    [
      "would write to another setting",
      (journal) => ({
        ...journal,
        plan: {
          runId: "ab12",
          changes: [
            {
              says: "",
              netns: null,
              revert: { kind: "write-sysctl", name: "kernel.core_pattern", value: "x", expected: "core" },
            },
          ],
        },
      }),
    ],
    [
      "would write what is no logger's name",
      (journal) => ({
        ...journal,
        plan: {
          runId: "ab12",
          changes: [
            {
              says: "",
              netns: null,
              revert: { kind: "write-sysctl", name: NAME, value: "|x", expected: "b" },
            },
          ],
        },
      }),
    ],
    [
      "names every process",
      (journal) => ({ ...journal, processes: [{ role: "main", pid: -1, startedAt: "1" }] }),
    ],
  ])("that %s is not obeyed, and is told of", (_name, with_) => {
    const { path } = writeJournal(directory, planOf("ab12"));
    change(path, with_);
    expect(listJournals([directory])).toEqual({ runs: [], unreadable: [path] });
  });

  it.skipIf(process.getuid?.() !== 0)("that somebody else has put there is not obeyed", async () => {
    const { chownSync } = await import("node:fs");
    const { path } = writeJournal(directory, planOf("ab12"));
    expect(listJournals([directory]).runs).toHaveLength(1);
    chownSync(path, 65534, 65534);
    expect(listJournals([directory])).toEqual({ runs: [], unreadable: [path] });
  });

  it.each<[string, object]>([
    ["of another run", { words: ["-p", "17", "-m", "comment", "--comment", "nfpath:cd34", "-j", "TRACE"] }],
    ["without a tag", { words: ["-p", "17", "-j", "TRACE"] }],
    ["that starts a program", { words: [...OWN_WORDS, "--modprobe=/tmp/x"] }],
    ["of another table", { words: [...OWN_WORDS, "-t", "filter"] }],
    ["of another chain", { chain: "INPUT" }],
    ["by another program", { program: "/tmp/iptables" }],
  ])("may not delete a rule %s", (_what, spoilt) => {
    const sound = writeJournal(directory, ruleOf("ab12"));
    expect(readJournal(sound.path)?.plan).toEqual(ruleOf("ab12"));
    change(sound.path, (journal) => ({
      ...journal,
      plan: {
        ...journal.plan,
        changes: journal.plan.changes.map((one) => ({ ...one, revert: { ...one.revert, ...spoilt } })),
      },
    }));
    expect(readJournal(sound.path)).toBeNull();
  });

  it("that is cut short is told of, and a directory that is not there has none", () => {
    writeFileSync(join(directory, "broken.json"), "{");
    expect(listJournals([directory]).unreadable).toEqual([join(directory, "broken.json")]);
    expect(listJournals([join(directory, "none")])).toEqual({ runs: [], unreadable: [] });
  });

  it("remembers what a setting was before nfpath, for the runs that come later", () => {
    writeJournal(directory, planOf("ab12", "nf_log_ipv4"));
    const { runs } = listJournals([directory]);
    expect(rememberedValue(runs, null, NAME, "b")).toBe("nf_log_ipv4");
    // Somebody has set it since: that is the host's own now.
    expect(rememberedValue(runs, null, NAME, "NONE")).toBeNull();
    expect(rememberedValue(runs, null, "net.netfilter.nf_log.2", "b")).toBeNull();
    expect(rememberedValue(runs, "nfpTnone", NAME, "b")).toBeNull();
  });
});

describe("undoing a run", () => {
  it("keeps the journal while something could not be put back, and says the command", () => {
    const run = writeJournal(directory, planOf("ab12"));
    const report = revertRun(run);
    expect(report.failed).toEqual([expect.stringContaining(`by hand: sysctl -w ${NAME}=a`)]);
    expect(readJournal(run.path)).not.toBeNull();
  });

  it("has nothing to do in a namespace that is gone, nor after a reboot", () => {
    const gone = writeJournal(directory, planOf("ab12", "a", "nfpTnone"));
    expect(revertRun(gone).failed).toEqual([]);
    expect(readJournal(gone.path)).toBeNull();
    const { path } = writeJournal(directory, planOf("cd34"));
    change(path, (journal) => ({ ...journal, boot: "another" }));
    const [run] = listJournals([directory]).runs;
    expect(run !== undefined && revertRun(run).failed).toEqual([]);
    expect(readJournal(path)).toBeNull();
  });

  it("leaves a setting to another run that lives, and not to one that is dead", () => {
    const first = writeJournal(directory, planOf("ab12"));
    const second = writeJournal(directory, planOf("cd34"));
    expect(revertRun(first)).toMatchObject({
      handedOn: [`${NAME} is left to run cd34, which still traces and puts it back`],
      failed: [],
    });
    expect(readdirSync(directory).filter((name) => name.endsWith(".json"))).toEqual(["cd34.json"]);
    const third = writeJournal(directory, planOf("ef56"));
    change(second.path, dead);
    expect(revertRun(third)).toMatchObject({ handedOn: [], failed: [expect.stringContaining(NAME)] });
  });

  it("needs no journal on disk: one that was tidied away is remembered", () => {
    const run = writeJournal(directory, planOf("ab12"));
    rmSync(run.path);
    expect(revertRun(run).failed).toEqual([expect.stringContaining(NAME)]);
  });
});

describe("the directory of journals", () => {
  it("is /run/nfpath, or the user's own where that cannot be written", () => {
    expect(journalDirectories({})).toEqual(["/run/nfpath"]);
    expect(journalDirectories({ XDG_RUNTIME_DIR: "/run/user/7" })).toEqual([
      "/run/nfpath",
      "/run/user/7/nfpath",
    ]);
    expect(journalDirectories({ XDG_RUNTIME_DIR: "relative" })).toEqual(["/run/nfpath"]);
    expect(openJournalDirectory([join(directory, "a")])).toEqual({ ok: true, value: join(directory, "a") });
  });

  it("is refused where there is none, with what to do", () => {
    writeFileSync(join(directory, "file"), "");
    expect(openJournalDirectory([join(directory, "file")])).toMatchObject({
      ok: false,
      error: { kind: "setting-refused", hint: expect.stringContaining("/run") },
    });
  });
});
