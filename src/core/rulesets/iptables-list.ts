/**
 * Reads `iptables -L`, with `-n`, `-v`, `--line-numbers` or without.
 *
 * A listing never names its table; a heading around it may, else the built-in chains tell. Nor does it say where it ends, and
 * people shorten it by hand: behind `# ... ...` no rule has a number any more, unless the listing printed numbers itself.
 */
import type { Family } from "../netfilter/family.ts";
import { hookOfBuiltInChain } from "../netfilter/hook.ts";
import { baseChainOf } from "./iptables-draft.ts";
import type { ListColumns, ListRow } from "./iptables-list-row.ts";
import { listHeading, parseListRow } from "./iptables-list-row.ts";
import { listStatements, parseListWords } from "./iptables-list-words.ts";
import { inferTableOf, tableHeading } from "./iptables-table-name.ts";
import type { Backend, Chain, Counters, Match, Rule, Ruleset, RulesetProblem, Table } from "./ruleset.ts";
import type { RulesetContext, Section, Surroundings } from "./section.ts";
import { isElision, problem } from "./section.ts";
import { INTERFACES_NOT_SHOWN } from "./unconditional.ts";

interface ListedChain {
  readonly name: string;
  readonly policy: string | null;
  readonly counters: Counters | null;
  readonly line: number;
  heading: ListColumns | null;
  readonly rows: { row: ListRow; words: string; line: number }[];
  elidedAt: number | null;
}

interface ListedTable {
  /** Null where nothing named it. */
  readonly name: string | null;
  readonly chains: ListedChain[];
}

/** The first line of a chain in a listing; null for another line. */
export function chainHeading(
  line: string,
): { name: string; policy: string | null; counters: Counters | null } | null {
  const match =
    /^\s*Chain (\S+) \((?:policy (\S+?)(?: (\S+) packets, (\S+) bytes)?|(?:\d+|unknown) references?[^)]*)\)/.exec(
      line,
    );
  if (match === null) return null;
  const [, name = "", policy, packets, bytes] = match;
  const counters = packets === undefined ? null : { packets: exact(packets), bytes: exact(bytes ?? "") };
  return { name, policy: policy ?? null, counters };
}

export class IptablesListSection implements Section {
  readonly #context: RulesetContext;
  readonly #surroundings: Surroundings;
  readonly #tables: ListedTable[] = [];
  #backend: Backend | null;
  #isBodyOver = false;
  #isElisionPending = false;
  #lastLineWasRow = false;

  constructor(context: RulesetContext, surroundings: Surroundings) {
    this.#context = context;
    this.#surroundings = surroundings;
    this.#backend = surroundings.backend;
  }

  read(line: string, lineNumber: number): boolean {
    const continued = this.#lastLineWasRow;
    this.#lastLineWasRow = false;
    if (line.trim() === "") {
      this.#isBodyOver = true;
      return true;
    }
    const chain = chainHeading(line);
    if (chain !== null) {
      this.#open({ ...chain, line: lineNumber, heading: null, rows: [], elidedAt: null });
      return true;
    }
    const current = this.#tables.at(-1)?.chains.at(-1);
    const heading = listHeading(line);
    if (heading !== null && current !== undefined) {
      current.heading = heading;
      this.#isBodyOver = false;
      return true;
    }
    if (current !== undefined && this.#readRow(line, lineNumber, current)) return true;
    if (isElision(line) && current !== undefined) {
      // Between chains it may have been whole chains that were left out.
      if (this.#isBodyOver) this.#isElisionPending = true;
      else current.elidedAt ??= current.rows.length;
      return true;
    }
    if (continued && /^\s{8}/.test(line)) return this.#continueRow(line, current);
    return this.#readAround(line);
  }

  end(): readonly Ruleset[] {
    const tables = this.#tables.filter((table) => table.chains.length > 0);
    if (tables.length === 0) return [];
    const problems: RulesetProblem[] = [];
    const family = this.#surroundings.family ?? familyOfRows(tables);
    return [
      {
        format: "iptables-list",
        input: this.#context.input,
        backend: this.#backend,
        netns: this.#context.netns,
        tables: tables.map((table) => finishTable(table, family, problems)),
        problems,
      },
    ];
  }

  #open(chain: ListedChain): void {
    let table = this.#tables.at(-1);
    if (table === undefined) {
      table = { name: this.#surroundings.table, chains: [] };
      this.#tables.push(table);
    } else if (beginsTable(table, chain.name)) {
      table = { name: null, chains: [] };
      this.#tables.push(table);
    }
    table.chains.push(chain);
    this.#isBodyOver = false;
    this.#isElisionPending = false;
  }

  #readRow(line: string, lineNumber: number, chain: ListedChain): boolean {
    const row = parseListRow(line, chain.heading);
    if (row === null) return false;
    if (this.#isElisionPending) chain.elidedAt ??= chain.rows.length;
    this.#isElisionPending = false;
    chain.rows.push({ row, words: row.words, line: lineNumber });
    this.#lastLineWasRow = true;
    return true;
  }

  /** A long rule that a mail or a document wrapped. */
  #continueRow(line: string, chain: ListedChain | undefined): boolean {
    const last = chain?.rows.at(-1);
    if (last === undefined) return false;
    last.words = `${last.words} ${line.trim()}`.trim();
    return true;
  }

  /** Headings, rulers and warnings between tables. */
  #readAround(line: string): boolean {
    if (/^# Warning: ip6?tables-legacy tables present/.test(line)) {
      this.#backend ??= "nft";
      return true;
    }
    const table = tableHeading(line);
    if (table !== null) {
      this.#tables.push({ name: table, chains: [] });
      return true;
    }
    return /^\s*([#=*_-])\1{4,}\s*$/.test(line);
  }
}

/** Whether a chain cannot belong to the table that the listing was in. */
function beginsTable(table: ListedTable, chain: string): boolean {
  if (table.chains.length === 0) return false;
  if (table.chains.some((other) => other.name === chain)) return true;
  if (hookOfBuiltInChain(chain) === null) return false;
  const last = table.chains.at(-1)?.name ?? "";
  // Built-in chains come first, in the order of hooks; nat had its OUTPUT last before Linux 2.6.36.
  if (hookOfBuiltInChain(last) === null) return true;
  return ORDER.indexOf(chain) < ORDER.indexOf(last) && !(last === "POSTROUTING" && chain === "OUTPUT");
}

const ORDER = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

function finishTable(table: ListedTable, family: Family, problems: RulesetProblem[]): Table {
  const names = table.chains.map((chain) => chain.name);
  let name = table.name;
  if (name === null) {
    const targets = new Set(table.chains.flatMap((chain) => chain.rows.map((row) => row.row.target)));
    const inferred = inferTableOf(names, targets);
    name = inferred.table;
    if (inferred.isGuess) {
      const first = table.chains[0];
      const reason = `the listing does not name its table; taken for ${name}`;
      problems.push(problem(first?.line ?? null, `Chain ${first?.name}`, reason));
    }
  }
  const known = new Set(names);
  return { family, name, chains: table.chains.map((chain) => finishChain(chain, name, known)), opaque: [] };
}

function finishChain(chain: ListedChain, table: string, chains: ReadonlySet<string>): Chain {
  const isElided = chain.elidedAt !== null;
  return {
    name: chain.name,
    handle: null,
    base: chain.policy === null ? null : baseChainOf(table, chain.name, chain.policy),
    counters: chain.counters,
    rules: chain.rows.map(({ row, words, line }, index) => {
      const position = isElided && index >= (chain.elidedAt ?? 0) ? null : index + 1;
      return finishRule(row, words, row.number ?? position, line, chains);
    }),
    positions: isElided ? "elided" : "known",
    complete: !isElided,
  };
}

function finishRule(
  row: ListRow,
  words: string,
  number: number | null,
  line: number,
  chains: ReadonlySet<string>,
): Rule {
  const extra = parseListWords(words, row.target);
  const isChain = chains.has(row.target) || /[^A-Z0-9]/.test(row.target);
  const statements = listStatements(row.target, extra, isChain);
  const matches: Match[] = [...row.matches, ...extra.matches];
  const action = row.target === "" ? "" : `${extra.isGoto ? "-g" : "-j"} ${row.target}`;
  const short = [
    ...matches.filter((match) => match.value !== INTERFACES_NOT_SHOWN).map((match) => match.text),
    action,
  ]
    .concat(extra.options.map((word) => word.raw))
    .filter((part) => part !== "")
    .join(" ");
  return {
    number,
    handle: null,
    text: row.text,
    short,
    comment: extra.comment,
    counters: row.counters,
    target: row.target === "" ? null : row.target,
    matches,
    statements,
    line,
  };
}

function familyOfRows(tables: readonly ListedTable[]): "ip" | "ip6" {
  for (const table of tables) {
    for (const chain of table.chains) {
      for (const { row } of chain.rows) {
        if (/(^|\s)!?::\/0(\s|$)|ipv6-icmp|(^|\s)!?[0-9a-f]*:[0-9a-f]*:[0-9a-f:]*\//.test(row.text))
          return "ip6";
        for (const { kind, value } of row.matches) {
          if ((kind === "source" || kind === "destination") && /^[0-9a-f:]*:[0-9a-f:]*(\/|$)/.test(value))
            return "ip6";
        }
      }
    }
  }
  return "ip";
}

function exact(text: string): bigint | null {
  return /^\d+$/.test(text) ? BigInt(text) : null;
}
