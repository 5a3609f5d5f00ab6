/**
 * A stretch of text that holds rules in one format, read line by line.
 *
 * Each format has one; `ruleset-reader.ts` finds where they begin.
 */
import type { Family } from "../netfilter/family.ts";
import type { Backend, Ruleset, RulesetProblem } from "./ruleset.ts";

export interface Section {
  /** False: the line is none of this section's, which has ended in front of it. */
  read(line: string, lineNumber: number): boolean;
  /** What was read. Empty where it turned out to hold no rules. */
  end(): readonly Ruleset[];
}

/** What was said around the rules: a caller's word, a shell prompt's command, a heading. */
export interface Surroundings {
  readonly family: Family | null;
  readonly table: string | null;
  readonly backend: Backend | null;
}

export const NO_SURROUNDINGS: Surroundings = { family: null, table: null, backend: null };

export interface RulesetContext {
  /** Name of the input, for `Ruleset.input`. */
  readonly input: string;
  readonly netns: string | null;
  /** The whole text is rules: what cannot be read is a problem, not prose. */
  readonly force: boolean;
}

export function problem(line: number | null, text: string, reason: string): RulesetProblem {
  return { line, text: text.length > 400 ? `${text.slice(0, 400)}…` : text, reason };
}

/**
 * Whether a line says that lines were left out: `# ... ...`, `[...]`, `…`, `<snip>`, `(omitted)`.
 * Comment marks and brackets around it do not matter.
 */
export function isElision(line: string): boolean {
  if (line.length > 80) return false;
  if (DOTS_ONLY.test(line)) return true;
  const marked = /^\s*[<([#.…]/.test(line) || line.includes("...") || line.includes("…");
  return marked && OMISSION_WORD.test(line);
}

const DOTS_ONLY = /^[\s#/;<([*-]*(?:\.{2,}|…|⋮)[\s.…⋮>)\]*-]*$/;
const OMISSION_WORD =
  /^[\s#/;<([*.…-]*(?:snip(?:ped)?|cut|omitted|elided|truncated|skipped|more|output omitted|省略|略)[\s.…>)\]*-]*$/i;
