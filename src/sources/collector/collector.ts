/**
 * The collector: a process of its own that reads the kernel's events and passes them on raw.
 *
 * It has no event loop. One `poll` watches the sockets of all namespaces and standard input, whose end means that nfpath is
 * done, or dead, SIGKILL included. Either way the same thing happens: rules that mark packets are deleted, what is queued is
 * passed on, the settings are put back, and the process ends. So it is also the guardian of what was changed.
 */
import { readSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { withFileLock } from "../../linux/file-lock.ts";
import { DatagramBatch, poll } from "../../linux/libc.ts";
import { insideNetns } from "../../linux/netns.ts";
import { handleInode } from "../../linux/netns-identity.ts";
import { forbidNewPrivileges, keepOnly, setAsideRights, takeUpRights } from "../../linux/privileges.ts";
import { type HostRefusal, hostRefusal } from "../../linux/refusal.ts";
import { appendRule } from "../../linux/rule-action.ts";
import { type SettingAction, writeSetting } from "../../linux/setting-action.ts";
import { isSystemError } from "../../linux/sysctl.ts";
import { cannotWriteDown, lockFileOf, lockTaken } from "../../linux/undo/directory.ts";
import { addProcesses, type JournalFile, readJournalFile } from "../../linux/undo/journal.ts";
import { joinReports, NOTHING_REVERTED, type RevertReport } from "../../linux/undo/revert-report.ts";
import { type OpenNamespaces, revertRun, stopMarking } from "../../linux/undo/revert-run.ts";
import { revertSetting } from "../../linux/undo/revert-setting.ts";
import type { CollectorConfig } from "./config.ts";
import { FrameWriter } from "./frame-writer.ts";
import { FRAME } from "./frames.ts";
import { rightsOfGuardian } from "./guardian-rights.ts";
import { CollectorRefused, NetnsCollector } from "./netns-collector.ts";
import { Spool } from "./spool.ts";

const STDIN = 0;
const STDOUT = 1;
const NEWLINE = 0x0a;
const SLOTS = 128;
/** More than the largest event: `copyBytes` of packet and less than 1 KiB of attributes. */
const SLOT_BYTES = 8192;
const OUTPUT_BYTES = 1 << 20;
/** Some 100,000 events in memory, and a burst of minutes on disk. */
const SPOOL = { memoryBytes: 32 << 20, fileBytes: 4 * 2 ** 30 };
/** How long conntrack's events may wait in their buffer. */
const ASKED_EVERY_MS = 50;
/** A packet may wait in a queue between two hooks when the marking ends. */
const QUIET_MS = 100;
const MOST_QUIET_MS = 1_000;

/** Runs until standard input ends; the process's exit status. */
export function runCollector(): number {
  const writer = new FrameWriter(OUTPUT_BYTES, new Spool({ ...SPOOL, directory: tmpdir() }));
  const config = readConfig();
  if (config === null) return 0;
  const collectors: NetnsCollector[] = [];
  let journal: JournalFile | null = null;
  let marks = NOTHING_REVERTED;
  try {
    openAll(config, collectors, writer);
    becomeGuardian(config, collectors, (written) => {
      journal = written;
    });
    keepOnly(rightsOfGuardian(config));
    forbidNewPrivileges();
    setAsideRights();
    writer.addJson(FRAME.ready, 0, {});
    writer.flush();
    collect(collectors, writer);
    if (journal !== null && hasRules(config)) {
      takeUpRights();
      marks = stopMarking(journal, openNamespaces(collectors));
      collectUntilQuiet(collectors, writer);
    }
    collectRest(collectors, writer);
    return 0;
  } catch (error) {
    if (!(error instanceof CollectorRefused)) throw error;
    writer.addJson(FRAME.refused, 0, error.refusal);
    return 3;
  } finally {
    takeUpRights();
    writer.addJson(FRAME.end, 0, joinReports([marks, revertAll(config, collectors, journal)]));
    writer.finish();
    for (const collector of collectors) collector.close();
  }
}

function openAll(config: CollectorConfig, collectors: NetnsCollector[], writer: FrameWriter): void {
  const batches = {
    trace: new DatagramBatch(SLOTS, SLOT_BYTES),
    aside: new DatagramBatch(SLOTS, SLOT_BYTES),
  };
  for (const [index, wanted] of config.namespaces.entries()) {
    collectors.push(new NetnsCollector(index, wanted, config, batches, writer));
  }
}

/**
 * From here on this process answers for the settings, and the journal says so before the first is changed. A journal that is
 * gone means that nfpath was killed and undone before we came to it: then nothing may be changed any more.
 */
function becomeGuardian(
  config: CollectorConfig,
  collectors: readonly NetnsCollector[],
  remember: (journal: JournalFile) => void,
): void {
  const { undoFile } = config;
  if (undoFile === null) {
    applySettings(config, collectors);
    if (hasRules(config)) throw new Error("rules need a journal");
    return;
  }
  const directory = dirname(undoFile);
  withFileLock(lockFileOf(directory), (isLocked, lockFd) => {
    if (!isLocked) throw new CollectorRefused(lockTaken(directory));
    const journal = writeDown(undoFile);
    if (journal === null) throw new CollectorRefused(undoneMeanwhile());
    remember(journal);
    applySettings(config, collectors);
    appendRules(config, collectors, lockFd);
  });
}

function writeDown(undoFile: string): JournalFile | null {
  try {
    return addProcesses(undoFile, "guardian", [process.pid]);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new CollectorRefused(cannotWriteDown(`${undoFile}: ${error.code}`));
  }
}

function undoneMeanwhile(): HostRefusal {
  return hostRefusal(
    "setting-refused",
    "the journal of this run was removed before its first change",
    "trace again: somebody has tidied /run/nfpath, or ended this run and undone it",
  );
}

function applySettings(config: CollectorConfig, collectors: readonly NetnsCollector[]): void {
  for (const [index, { apply, netns }] of config.namespaces.entries()) {
    for (const action of apply) {
      const outcome = insideNetns(collectorAt(collectors, index).handle, () => writeSetting(action));
      if (!outcome.ok) throw new CollectorRefused(outcome.error);
      if (outcome.value === "foreign") throw new CollectorRefused(changedMeanwhile(action, netns));
    }
  }
}

function appendRules(config: CollectorConfig, collectors: readonly NetnsCollector[], lockFd: number): void {
  for (const [index, { rules = [] }] of config.namespaces.entries()) {
    for (const rule of rules) {
      const outcome = insideNetns(collectorAt(collectors, index).handle, () => appendRule(rule, lockFd));
      if (!outcome.ok) throw new CollectorRefused(outcome.error);
    }
  }
}

function hasRules({ namespaces }: CollectorConfig): boolean {
  return namespaces.some(({ rules = [] }) => rules.length > 0);
}

function changedMeanwhile(action: SettingAction, netns: string | null): HostRefusal {
  const where = netns === null ? "" : ` in namespace ${netns}`;
  return hostRefusal(
    "setting-refused",
    `${action.name}${where} was ${action.expected} a moment ago and is something else now`,
    "another program is changing it: see what does, and trace again",
  );
}

/** Until standard input ends, or nobody reads any more. */
function collect(collectors: readonly NetnsCollector[], writer: FrameWriter): void {
  const fds = [STDIN, ...collectors.flatMap((collector) => collector.fds)];
  const patience = collectors.some(({ mustBeAsked }) => mustBeAsked) ? ASKED_EVERY_MS : -1;
  let hasMore = false;
  for (;;) {
    const ready = poll(fds, hasMore ? 0 : patience, writer.isBehind ? STDOUT : null);
    hasMore = drainReady(collectors, ready.slice(1));
    writer.drain();
    writer.flush();
    if (writer.hasNoReader || (ready[0] !== 0 && hasStdinEnded())) return;
  }
}

/** True when there may be more. */
function drainReady(collectors: readonly NetnsCollector[], ready: readonly number[]): boolean {
  let hasMore = false;
  let at = 0;
  for (const collector of collectors) {
    const isReady = ready.slice(at, at + collector.fds.length).some((events) => events !== 0);
    at += collector.fds.length;
    // A full round may have left something: `poll` says so again.
    if ((isReady || collector.mustBeAsked) && collector.drain()) hasMore = true;
  }
  return hasMore;
}

/** Nothing is marked any more; what was marked is still under way. */
function collectUntilQuiet(collectors: readonly NetnsCollector[], writer: FrameWriter): void {
  const fds = collectors.flatMap((collector) => collector.fds);
  const deadline = performance.now() + MOST_QUIET_MS;
  while (!writer.hasNoReader && performance.now() < deadline) {
    const ready = poll(fds, QUIET_MS);
    if (ready.every((events) => events === 0)) return;
    drainReady(collectors, ready);
    writer.flush();
  }
}

function collectRest(collectors: readonly NetnsCollector[], writer: FrameWriter): void {
  for (const collector of collectors) {
    while (!writer.hasNoReader && collector.drain()) writer.flush();
    collector.reportOverrun();
  }
}

function hasStdinEnded(): boolean {
  return readSync(STDIN, Buffer.alloc(4096)) === 0;
}

function revertAll(
  config: CollectorConfig,
  collectors: readonly NetnsCollector[],
  journal: JournalFile | null,
): RevertReport {
  if (config.undoFile !== null) {
    // Null before it was written down here: then nothing was changed, and only the journal is to be removed.
    const remembered = journal ?? readJournalFile(config.undoFile);
    return remembered === null ? NOTHING_REVERTED : revertRun(remembered, openNamespaces(collectors));
  }
  return joinReports(
    collectors.flatMap(({ handle }, index) => {
      const { netns, revert } = config.namespaces[index] ?? { netns: null, revert: [] };
      return revert.map((action) => revertSetting(netns, action, (work) => insideNetns(handle, work)));
    }),
  );
}

function openNamespaces(collectors: readonly NetnsCollector[]): OpenNamespaces {
  return new Map(collectors.map(({ handle }) => [handleInode(handle), handle]));
}

function collectorAt(collectors: readonly NetnsCollector[], index: number): NetnsCollector {
  const collector = collectors[index];
  if (collector === undefined) throw new Error(`no collector for namespace ${index}`);
  return collector;
}

/** The first line of standard input; null when it ends before, because nobody is there any more. */
function readConfig(): CollectorConfig | null {
  let line = Buffer.alloc(0);
  while (!line.includes(NEWLINE)) {
    const chunk = Buffer.alloc(65_536);
    const length = readSync(STDIN, chunk);
    if (length === 0) return null;
    line = Buffer.concat([line, chunk.subarray(0, length)]);
  }
  return JSON.parse(line.toString("utf8")) as CollectorConfig;
}
