/**
 * A base chain's line: `type filter hook forward priority filter + 10; policy drop;`.
 */
import type { Family } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";
import { namedPriority } from "../netfilter/hook.ts";
import type { BaseChain } from "./ruleset.ts";

const HOOKS: ReadonlySet<string> = new Set([
  "ingress",
  "prerouting",
  "input",
  "forward",
  "output",
  "postrouting",
  "egress",
]);

/** The base of a `type … hook … priority …` statement; null for another one, or a hook or priority nobody can read. */
export function parseChainType(text: string, family: Family): BaseChain | null {
  const match =
    /^type\s+(\w+)\s+hook\s+(\w+)(?:\s+devices?\s*=?\s*(\{[^}]*\}|\S+))?\s+(?:priority|prio)\s+(.+?)\s*;?\s*$/.exec(
      text,
    );
  if (match === null) return null;
  const [, type = "", hook = "", devices = "", priorityText = ""] = match;
  const priority = parsePriority(priorityText, family);
  if (!isHook(hook) || priority === null) return null;
  return { type, hook, priority, policy: null, devices: parseDevices(devices) };
}

/** The policy of a `policy accept` statement; null for another one. */
export function parsePolicy(text: string): "accept" | "drop" | null {
  const match = /^policy\s+(accept|drop)\b/.exec(text);
  return match?.[1] === "accept" || match?.[1] === "drop" ? match[1] : null;
}

/** `0`, `-150`, `filter`, `dstnat + 10`; null for a variable or an unknown name. */
export function parsePriority(text: string, family: Family): number | null {
  const match = /^(?:([a-z]+)\s*(?:([+-])\s*(\d+))?|(-?\d+))$/.exec(text.trim());
  if (match === null) return null;
  if (match[4] !== undefined) return Number(match[4]);
  const named = namedPriority(match[1] ?? "", family);
  if (named === null) return null;
  const offset = Number(match[3] ?? 0);
  return match[2] === "-" ? named - offset : named + offset;
}

export function isHook(word: string): word is Hook {
  return HOOKS.has(word);
}

/** `{ eth0, "eth1" }` or `"eth0"` */
export function parseDevices(text: string): string[] {
  return text
    .replace(/[{}"]/g, " ")
    .split(/[\s,]+/)
    .filter((name) => name !== "");
}
