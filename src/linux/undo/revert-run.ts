/**
 * The one way in which a run is undone, whoever does it: its guardian at the end of every run, nfpath itself when the guardian
 * was killed, `nfpath undo` when both were.
 *
 * The run's tables go with the processes that hold them; its rules are deleted by their exact words; its settings are written
 * back, unless another living run holds them too: the last one out puts them back, and each remembers what to. All of this
 * happens under the directory's lock, so no run can begin to rely on a setting at the moment in which another gives it up, and
 * a program that was appending a rule when the run was killed has ended. Done twice, the second time does nothing.
 */
import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { ruleTag } from "../../core/plans/own-tag.ts";
import { type Action, commandOf } from "../../core/plans/plan.ts";
import { sleepSync, withFileLock } from "../file-lock.ts";
import { closeNetns, insideNetns, type NetnsHandle } from "../netns.ts";
import { openNetnsByInode } from "../netns-identity.ts";
import { isAlive } from "../process-identity.ts";
import { isSystemError } from "../sysctl.ts";
import { journalDirectories, lockFileOf } from "./directory.ts";
import {
  type Journal,
  type JournalFile,
  listJournals,
  type RunProcess,
  readJournal,
  removeJournal,
  rulesOf,
  type SettingRevert,
  settingsOf,
  stateOfRun,
} from "./journal.ts";
import { joinReports, NOTHING_REVERTED, type RevertReport } from "./revert-report.ts";
import { revertRules } from "./revert-rules.ts";
import { revertSetting } from "./revert-setting.ts";

/** Namespaces that the caller has open, by inode: they are found also when they have no name any more. */
export type OpenNamespaces = ReadonlyMap<string, NetnsHandle>;

/** An `nft -i` ends by itself when nfpath does. */
const HOLDER_WAIT_MS = 1_000;

/**
 * Undoes a run, and removes its journal unless something could not be put back. What the caller remembers of the journal is
 * enough: a file that somebody has tidied away is no reason to leave the host changed.
 */
export function revertRun(remembered: JournalFile, open: OpenNamespaces = new Map()): RevertReport {
  const { path } = remembered;
  const journal = readJournal(path) ?? remembered.journal;
  if (stateOfRun(journal) === "rebooted") return tidyUp(path);
  const holders = endTableHolders(journal.processes);
  return underLock(dirname(path), (lockFd) => {
    // The marks first: nothing that is still marked may fall into the kernel log.
    const file = { path, journal };
    const rules = revertAllRules(file, open, lockFd);
    const report = joinReports([holders, rules, revertSettings(file, open)]);
    // Under the lock: others must not see a holder that has let go.
    return report.failed.length > 0 ? report : joinReports([report, tidyUp(path)]);
  });
}

/** Without the lock, too: a host as it was is worth more than a quarrel with a process that was stopped while it had it. */
function underLock<Value>(directory: string, work: (lockFd: number | null) => Value): Value {
  if (!isWritable(lockFileOf(directory))) return work(null);
  return withFileLock(lockFileOf(directory), (_isLocked, fd) => work(fd));
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}

function tidyUp(path: string): RevertReport {
  try {
    removeJournal(path);
    return NOTHING_REVERTED;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const failed = [`${path} cannot be removed (${error.code}), all else is put back; by hand: rm ${path}`];
    return { ...NOTHING_REVERTED, failed };
  }
}

/**
 * Deletes a run's rules and nothing else, so that no packet is marked any more: its guardian does this before it reads the
 * last of what was said, and `revertRun` again.
 */
export function stopMarking(file: JournalFile, open: OpenNamespaces): RevertReport {
  if (rulesOf(file.journal).length === 0) return NOTHING_REVERTED;
  return underLock(dirname(file.path), (lockFd) => revertAllRules(file, open, lockFd));
}

function revertAllRules(
  { path, journal }: JournalFile,
  open: OpenNamespaces,
  lockFd: number | null,
): RevertReport {
  const tag = ruleTag(journal.plan.runId);
  return joinReports(
    rulesOf(journal).map(({ inode, netns, rules }) =>
      insideKnown({ path, inode, netns, reverts: rules }, open, (inside) =>
        revertRules(netns, rules, tag, lockFd, inside),
      ),
    ),
  );
}

function revertSettings({ path, journal }: JournalFile, open: OpenNamespaces): RevertReport {
  const others = otherRuns(path);
  return joinReports(
    settingsOf(journal).map(({ inode, netns, revert }) => {
      if (inode === null) return NOTHING_REVERTED;
      const heir = others.find((other) => holds(other.journal, inode, revert));
      if (heir !== undefined) return handedOn(heir, netns, revert);
      return insideKnown({ path, inode, netns, reverts: [revert] }, open, (inside) =>
        revertSetting(netns, revert, inside),
      );
    }),
  );
}

/** Runs that are going to put back what they hold. One whose processes cannot be seen from here may be one. */
function otherRuns(path: string): readonly JournalFile[] {
  const directories = new Set([dirname(path), ...journalDirectories()]);
  return listJournals([...directories]).runs.filter((run) => {
    const state = stateOfRun(run.journal);
    return run.path !== path && (state === "alive" || state === "ending" || state === "elsewhere");
  });
}

function holds(journal: Journal, inode: string, { name }: SettingRevert): boolean {
  return settingsOf(journal).some((held) => held.inode === inode && held.revert.name === name);
}

function handedOn(heir: JournalFile, netns: string | null, { name }: SettingRevert): RevertReport {
  const where = netns === null ? "" : ` in namespace ${netns}`;
  const said = `${name}${where} is left to run ${heir.journal.plan.runId}, which still traces and puts it back`;
  return { ...NOTHING_REVERTED, handedOn: [said] };
}

/** Something to put back: which journal says so, and where. */
interface ToDo {
  readonly path: string;
  readonly inode: string;
  readonly netns: string | null;
  readonly reverts: readonly Action[];
}

/** Gives `work` a way into the namespace. One that is gone took with it what was changed there. */
function insideKnown(
  todo: ToDo,
  open: OpenNamespaces,
  work: (inside: <Value>(work: () => Value) => Value) => RevertReport,
): RevertReport {
  const known = open.get(todo.inode);
  if (known !== undefined) return work((action) => insideNetns(known, action));
  const found = openNetnsByInode(todo.inode);
  if (found === "gone") return NOTHING_REVERTED;
  if (found === "not-shown") return notShown(todo);
  try {
    return work((action) => insideNetns(found, action));
  } finally {
    closeNetns(found);
  }
}

function notShown({ path, netns, reverts }: ToDo): RevertReport {
  const where = netns === null ? "the namespace of the run" : `namespace ${netns}`;
  const byHand = reverts.map(commandOf).join("; ");
  const failed = `${where} cannot be looked for without CAP_SYS_PTRACE; by hand, inside it: ${byHand}; if it is gone: rm ${path}`;
  return { ...NOTHING_REVERTED, failed: [failed] };
}

function endTableHolders(processes: readonly RunProcess[]): RevertReport {
  const holders = processes.filter(({ role }) => role === "table-holder");
  if (areGone(holders)) return NOTHING_REVERTED;
  const restored: string[] = [];
  for (const holder of holders) {
    if (!isAlive(holder)) continue;
    if (!kill(holder.pid)) continue;
    restored.push(`the nft process ${holder.pid} is ended, and its table gone`);
  }
  if (areGone(holders)) return { ...NOTHING_REVERTED, restored };
  const failed = holders
    .filter(isAlive)
    .map(({ pid }) => `the nft process ${pid} does not end and keeps its table; by hand: kill -9 ${pid}`);
  return { ...NOTHING_REVERTED, restored, failed };
}

/** Whether they are, after a moment at most. */
function areGone(holders: readonly RunProcess[]): boolean {
  const deadline = performance.now() + HOLDER_WAIT_MS;
  while (holders.some(isAlive)) {
    if (performance.now() > deadline) return false;
    sleepSync(5);
  }
  return true;
}

/** False when it had just ended, or may not be ended: then it is still there, and said to be. */
function kill(pid: number): boolean {
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}
