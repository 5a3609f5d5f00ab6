/**
 * `iptables …` commands, wherever people write them: in scripts, behind prompts, in the middle of a mail's sentence.
 *
 * A command line is the weakest witness of a ruleset: it says what somebody typed, not what was there before. So its
 * chains are `assumed`, unless the same text created or flushed them first.
 */
import type { Family } from "../netfilter/family.ts";
import { familyOfRules, TableDraft } from "./iptables-draft.ts";
import { applyEdit, editLetter } from "./iptables-edit.ts";
import type { Backend, Ruleset, RulesetProblem } from "./ruleset.ts";
import type { RulesetContext } from "./section.ts";
import { problem } from "./section.ts";
import type { Word } from "./words.ts";
import { joinRaw, shellCommands, wordOf } from "./words.ts";

export interface IptablesCommand {
  readonly family: Family;
  readonly backend: Backend | null;
  /** `-t TABLE`, `filter` without. */
  readonly table: string;
  /** `-A`, `-L` …, or `save` for `iptables-save`. */
  readonly letter: string;
  /** From the letter on. */
  readonly words: readonly Word[];
}

const TOOL = /^(?:\S*[/=])?(ip6?)tables(-legacy|-nft)?(-save|-restore)?$/;
const VARIABLE = /^\$\{?(ip6?)t(?:ables)?\w*\}?$/i;
/** A tool's name as a word of its own; all else in a line is decided behind it. */
const MENTION =
  /(?:^|[\s`'"(/=;|&])(?:ip6?tables(?:-legacy|-nft)?(?:-save)?|\$\{?ip6?t(?:ables)?\w*\}?"?)(?=[\s`'"]|$)/i;

/** The iptables commands in a line of a script, a terminal or prose. */
export function iptablesCommands(line: string): IptablesCommand[] {
  if (line.length > 8192) return [];
  if (!MENTION.test(line)) return labelledRules(line);
  // A root prompt and a commented-out command look alike; both are read, as people quote commands in both ways.
  const text = line.replace(/^.{0,40}?#+\s+(?=(?:sudo\s+)?\S*ip6?tables)/, "").replace(/[“”]/g, '"');
  return shellCommands(text).flatMap((words) => commandOf(words) ?? []);
}

/** `Rules: -A INPUT -i wg1 -j DROP; -A INPUT …`, as people write who take the rest for granted. */
function labelledRules(line: string): IptablesCommand[] {
  const match = /^[^:"']{1,40}: (-A \S.*)$/.exec(line);
  if (match === null) return [];
  return shellCommands(match[1] ?? "")
    .filter((words) => words[0]?.value === "-A")
    .map((words) => ({ family: "ip", backend: null, table: "filter", letter: "-A", words }));
}

function commandOf(words: readonly Word[]): IptablesCommand | null {
  const at = words.findIndex((word) => TOOL.test(word.value) || VARIABLE.test(word.value));
  if (at === -1) return null;
  const tool = words[at]?.value ?? "";
  const [, name, variant, action] = TOOL.exec(tool) ?? VARIABLE.exec(tool) ?? [];
  if (action === "-restore") return null;
  const family = name?.toLowerCase() === "ip6" ? "ip6" : "ip";
  const backend = variant === "-legacy" ? "xtables" : variant === "-nft" ? "nft" : null;
  const { table, rest } = withoutGlobalOptions(words.slice(at + 1));
  const common = { family, backend, table } as const;
  if (action === "-save") return { ...common, letter: "save", words: rest };
  const letter = editLetter(rest[0]?.value);
  return letter === null ? optionsFirst(rest, common) : { ...common, letter, words: rest };
}

/** Takes out what concerns the tool and not the rule: the table, waiting, how to print. */
function withoutGlobalOptions(words: readonly Word[]): { table: string; rest: Word[] } {
  let table = "filter";
  const rest: Word[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as Word;
    const joinedTable = /^(?:-t|--table=)([a-z]\w*)$/.exec(word.value);
    const list = /^-[nvx]*([LS])[nvx]*$/.exec(word.value);
    if (word.value === "-t" || word.value === "--table") table = words[++i]?.value ?? table;
    else if (joinedTable !== null) table = joinedTable[1] ?? table;
    else if (rest.length === 0 && /^(-w\d*|--wait(=\d+)?|-W\d*)$/.test(word.value)) {
      if (/^\d+$/.test(words[i + 1]?.value ?? "")) i++;
    } else if (rest.length === 0 && list !== null) rest.push(wordOf(`-${list[1]}`));
    else if (rest.length > 0 || !PRINTING.test(word.value)) rest.push(word);
  }
  return { table, rest };
}

const PRINTING = /^-[nvx]+$|^--(line-numbers|numeric|verbose|exact)$/;

/** `iptables -p tcp -A INPUT -j DROP`: the command letter may stand anywhere. */
function optionsFirst(
  rest: readonly Word[],
  common: Pick<IptablesCommand, "family" | "backend" | "table">,
): IptablesCommand | null {
  const at = rest.findIndex((word) => /^-[AIDRLS]$/.test(word.value));
  if (at === -1) return null;
  const words = [...rest.slice(at, at + 2), ...rest.slice(0, at), ...rest.slice(at + 2)];
  return { ...common, letter: words[0]?.value ?? "", words };
}

/** Whether a command changes rules and its words make sense. */
export function isEdit(command: IptablesCommand): boolean {
  const [, chain, third] = command.words;
  switch (command.letter) {
    case "-A":
    case "-I":
    case "-R":
    case "-D": {
      if (chain === undefined || !/^[^\s'"`,.:!-][^\s'"`,!]*$/.test(chain.value)) return false;
      if (third === undefined) return command.letter === "-A" && hookLike(chain.value);
      return /^-|^!$|^\d+$/.test(third.value) && third.value !== "-";
    }
    case "-P":
      return /^(ACCEPT|DROP|QUEUE|RETURN|REJECT)$/.test(third?.value ?? "");
    case "-N":
    case "-E":
      return chain !== undefined;
    case "-F":
    case "-X":
      return true;
    default:
      return false;
  }
}

function hookLike(name: string): boolean {
  return /^[A-Z_]+$/.test(name);
}

/** All commands of an input, carried out in order. */
export class CommandCollector {
  readonly #context: RulesetContext;
  readonly #drafts = new Map<
    string,
    { family: Family; backend: Backend | null; tables: Map<string, TableDraft> }
  >();
  readonly #problems: RulesetProblem[] = [];

  constructor(context: RulesetContext) {
    this.#context = context;
  }

  /** Carries out a command that `isEdit` accepts. */
  run(command: IptablesCommand, line: number): void {
    const key = `${command.family} ${command.backend}`;
    let draft = this.#drafts.get(key);
    if (draft === undefined) {
      draft = { family: command.family, backend: command.backend, tables: new Map() };
      this.#drafts.set(key, draft);
    }
    let table = draft.tables.get(command.table);
    if (table === undefined) {
      table = new TableDraft(command.table);
      draft.tables.set(command.table, table);
    }
    const { words } = command;
    const edit = {
      words,
      counters: null,
      line,
      unseenChain: "assumed",
      spelling: "shell",
      allowsProse: true,
    } as const;
    const reason = applyEdit(table, edit);
    if (reason !== null) this.#problems.push(problem(line, joinRaw(words), reason));
  }

  end(): Ruleset[] {
    const rulesets: Ruleset[] = [];
    for (const { family, backend, tables } of this.#drafts.values()) {
      const isIpv6 = family === "ip" && familyOfRules(tables.values()) === "ip6";
      rulesets.push({
        format: "iptables-commands",
        input: this.#context.input,
        backend,
        netns: this.#context.netns,
        tables: [...tables.values()].map((table) => table.finish(isIpv6 ? "ip6" : family)),
        problems: rulesets.length === 0 ? this.#problems : [],
      });
    }
    return rulesets;
  }
}
