/**
 * The undo on disk: one small JSON file a run, written before its first change and removed after its last undo.
 *
 * It holds the plan with its reverting actions, the namespaces by what they are and not by what they were called, and the
 * processes of the run, by which everybody can tell whether it still lives. Files of others are read as input: what they say
 * is checked before it is believed.
 */
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Action, Plan } from "../../core/plans/plan.ts";
import { netnsInode } from "../netns-identity.ts";
import {
  bootId,
  identifyProcess,
  isAlive,
  ownPidNamespace,
  type ProcessIdentity,
} from "../process-identity.ts";
import { isSystemError } from "../sysctl.ts";
import { removeDurably, writeDurably } from "./durable-file.ts";
import { isJournal } from "./journal-shape.ts";

export const SCHEMA = "nfpath/undo@1";

export interface Journal {
  readonly schema: typeof SCHEMA;
  readonly boot: string;
  /** In whose numbers the processes are counted. */
  readonly pidNamespace: string;
  readonly processes: readonly RunProcess[];
  readonly namespaces: readonly JournalNetns[];
  readonly plan: Plan;
}

export interface RunProcess extends ProcessIdentity {
  /** `guardian`: the collector, which undoes. `table-holder`: an `nft -i`, whose end removes a table. */
  readonly role: "main" | "guardian" | "table-holder";
}

export interface JournalNetns {
  /** As the plan calls it. */
  readonly netns: string | null;
  readonly inode: string;
}

/** A journal and the file it is in. */
export interface JournalFile {
  readonly path: string;
  readonly journal: Journal;
}

/** Writes the journal of a run of this process. Throws what the operating system refuses with. */
export function writeJournal(directory: string, plan: Plan): JournalFile {
  const own = identifyProcess(process.pid);
  if (own === null) throw new Error("this process is not in /proc");
  const names = [...new Set(plan.changes.map(({ netns }) => netns))];
  const journal: Journal = {
    schema: SCHEMA,
    boot: bootId(),
    pidNamespace: ownPidNamespace(),
    processes: [{ role: "main", ...own }],
    namespaces: names.flatMap((netns) => {
      const inode = netnsInode(netns);
      return inode === null ? [] : [{ netns, inode }];
    }),
    plan,
  };
  const path = join(directory, `${plan.runId}.json`);
  writeDurably(path, `${JSON.stringify(journal)}\n`);
  return { path, journal };
}

/**
 * Adds processes to a run before they change anything, under the lock. Null when the journal is gone: the run was undone
 * meanwhile. Throws what the operating system refuses with.
 */
export function addProcesses(
  path: string,
  role: RunProcess["role"],
  pids: readonly number[],
): JournalFile | null {
  const journal = readJournal(path);
  if (journal === null) return null;
  const added = pids.flatMap((pid) => {
    const identity = identifyProcess(pid);
    return identity === null ? [] : [{ role, ...identity }];
  });
  const whole: Journal = { ...journal, processes: [...journal.processes, ...added] };
  writeDurably(path, `${JSON.stringify(whole)}\n`);
  return { path, journal: whole };
}

export function removeJournal(path: string): void {
  removeDurably(path);
}

/** Null when it is not there, not ours, or no journal that this version can read. */
export function readJournal(path: string): Journal | null {
  try {
    const { uid } = lstatSync(path);
    // Others' files are not obeyed: root may have been given a runtime directory that is a user's.
    if (uid !== process.geteuid?.()) return null;
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isJournal(content) ? content : null;
  } catch (error) {
    if (error instanceof SyntaxError || isSystemError(error)) return null;
    throw error;
  }
}

export function readJournalFile(path: string): JournalFile | null {
  const journal = readJournal(path);
  return journal === null ? null : { path, journal };
}

export interface JournalListing {
  readonly runs: readonly JournalFile[];
  /** Files among them that are no journal of ours. */
  readonly unreadable: readonly string[];
}

/** All journals in these directories; those that may not be looked into hold none of ours. */
export function listJournals(directories: readonly string[]): JournalListing {
  const runs: JournalFile[] = [];
  const unreadable: string[] = [];
  for (const path of directories.flatMap(journalPaths)) {
    const journal = readJournal(path);
    if (journal !== null) runs.push({ path, journal });
    // One that was removed between the listing and now is none.
    else if (exists(path)) unreadable.push(path);
  }
  return { runs, unreadable };
}

function journalPaths(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(".json"))
      .sort()
      .map((name) => join(directory, name));
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

export type RunState =
  /** It runs, and undoes what it did itself. */
  | "alive"
  /** nfpath is dead, its guardian is not: it is undoing at this moment. */
  | "ending"
  | "dead"
  /** Of another container: its processes cannot be seen from here. */
  | "elsewhere"
  /** Of a former boot: all it changed went with that. */
  | "rebooted";

export function stateOfRun({ boot, pidNamespace, processes }: Journal): RunState {
  if (boot !== bootId()) return "rebooted";
  if (pidNamespace !== ownPidNamespace()) return "elsewhere";
  const living = processes.filter(isAlive);
  if (living.some(({ role }) => role === "main")) return "alive";
  return living.some(({ role }) => role === "guardian") ? "ending" : "dead";
}

export type SettingRevert = Extract<Action, { readonly kind: "write-sysctl" }>;
export type RuleRevert = Extract<Action, { readonly kind: "delete-rule" }>;

/** Whether putting its settings back means entering a namespace other than our own. */
export function entersNetns(journal: Journal): boolean {
  const own = netnsInode(null);
  return settingsOf(journal).some(({ inode }) => inode !== null && inode !== own);
}

/** The setting's value before the first of the runs that have set it to `current`; null when none has. */
export function rememberedValue(
  runs: readonly JournalFile[],
  netns: string | null,
  name: string,
  current: string,
): string | null {
  const inode = netnsInode(netns);
  for (const { journal } of runs) {
    if (journal.boot !== bootId()) continue;
    const held = settingsOf(journal).find(
      ({ revert, ...setting }) =>
        setting.inode === inode && revert.name === name && revert.expected === current,
    );
    if (held !== undefined) return held.revert.value;
  }
  return null;
}

/** Settings that a run puts back, each with the namespace it is in; last first. */
export function settingsOf(journal: Journal): readonly {
  readonly inode: string | null;
  readonly netns: string | null;
  readonly revert: SettingRevert;
}[] {
  return journal.plan.changes
    .flatMap(({ netns, revert }) =>
      revert.kind === "write-sysctl" ? [{ inode: inodeIn(journal, netns), netns, revert }] : [],
    )
    .reverse();
}

/** Rules that a run takes out of raw, by namespace; last first. */
export function rulesOf(journal: Journal): readonly {
  readonly inode: string;
  readonly netns: string | null;
  readonly rules: readonly RuleRevert[];
}[] {
  return journal.namespaces.flatMap(({ netns, inode }) => {
    const rules = journal.plan.changes
      .filter((change) => change.netns === netns)
      .flatMap(({ revert }) => (revert.kind === "delete-rule" ? [revert] : []))
      .reverse();
    return rules.length === 0 ? [] : [{ inode, netns, rules }];
  });
}

function inodeIn(journal: Journal, netns: string | null): string | null {
  return journal.namespaces.find((known) => known.netns === netns)?.inode ?? null;
}
