/**
 * What a journal must look like before it is believed: an undo is carried out with all rights, so a file may name nothing but
 * what nfpath itself changes.
 */
import { ruleTag } from "../../core/plans/own-tag.ts";
import { RAW_CHAINS, RULE_PROGRAMS } from "../../core/plans/raw-rules.ts";
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
    isListOf(value.changes, (change) => isChange(change, String(value.runId)))
  );
}

function isChange(value: unknown, runId: string): boolean {
  return (
    isObject(value) &&
    typeof value.says === "string" &&
    isNetnsName(value.netns) &&
    isRevert(value.revert, runId)
  );
}

/** The reverting actions of `core/plans`. */
function isRevert(value: unknown, runId: string): boolean {
  if (!isObject(value)) return false;
  if (value.kind === "delete-rule") return isOwnRule(value, runId);
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

/** Options of a rule's match and of what nfpath adds: none that names a file, a program or another table. */
const RULE_OPTIONS = new Set(
  (
    "! -i -o -s -d -p -f -m -j --sport --dport --header --bytecode --comment " +
    "--limit --limit-burst --datestop"
  ).split(" "),
);

/** A rule in raw with the run's own tag: whatever else its words may say, only such a rule can be deleted by them. */
function isOwnRule({ program, chain, words }: Fields, runId: string): boolean {
  if (!RULE_PROGRAMS.some((known) => known === program)) return false;
  if (!RAW_CHAINS.some((known) => known === chain) || !Array.isArray(words)) return false;
  const tag = words.indexOf("--comment");
  return (
    tag > 0 &&
    words[tag + 1] === ruleTag(runId) &&
    words.every((word) => typeof word === "string" && (!/^[-!]/.test(word) || RULE_OPTIONS.has(word)))
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
