/**
 * What a journal must look like before it is believed: an undo is carried out with all rights, so a file may name nothing but
 * what nfpath itself changes.
 */
import type { Journal } from "./journal.ts";

type Fields = Readonly<Record<string, unknown>>;

export function isJournal(value: unknown): value is Journal {
  return (
    isObject(value) &&
    value.schema === "nfpath/undo@1" &&
    typeof value.boot === "string" &&
    typeof value.pidNamespace === "string" &&
    isListOf(value.processes, isRunProcess) &&
    isListOf(value.namespaces, isNetns) &&
    isPlan(value.plan)
  );
}

function isRunProcess(value: unknown): boolean {
  return (
    isObject(value) &&
    (value.role === "main" || value.role === "guardian" || value.role === "table-holder") &&
    Number.isSafeInteger(value.pid) &&
    Number(value.pid) > 0 &&
    typeof value.startedAt === "string" &&
    /^\d+$/.test(value.startedAt)
  );
}

function isNetns(value: unknown): boolean {
  return (
    isObject(value) &&
    isNetnsName(value.netns) &&
    typeof value.inode === "string" &&
    /^\d+$/.test(value.inode)
  );
}

function isPlan(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value.runId === "string" &&
    /^[0-9a-z]{1,16}$/.test(value.runId) &&
    isListOf(value.changes, isChange)
  );
}

function isChange(value: unknown): boolean {
  return (
    isObject(value) && typeof value.says === "string" && isNetnsName(value.netns) && isRevert(value.revert)
  );
}

/** The reverting actions of `core/plans`. */
function isRevert(value: unknown): boolean {
  if (!isObject(value)) return false;
  if (value.kind === "release-table")
    return typeof value.table === "string" && /^nfpath_[0-9a-z]+$/.test(value.table);
  return (
    value.kind === "write-sysctl" &&
    typeof value.name === "string" &&
    /^net\.netfilter\.nf_log\.\d+$/.test(value.name) &&
    isLogger(value.value) &&
    isLogger(value.expected)
  );
}

function isLogger(value: unknown): boolean {
  return typeof value === "string" && /^\w+$/.test(value);
}

function isNetnsName(value: unknown): boolean {
  return value === null || typeof value === "string";
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
