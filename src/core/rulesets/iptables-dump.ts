/**
 * One run of `iptables-save`, or of `-S`, while it is being read: its tables, and what its header said.
 */
import { hookOfBuiltInChain } from "../netfilter/hook.ts";
import { familyOfRules, TableDraft } from "./iptables-draft.ts";
import { applyEdit, editLetter } from "./iptables-edit.ts";
import type { SaveHeader } from "./iptables-save-lines.ts";
import { inferTable } from "./iptables-table-name.ts";
import type { Ruleset, RulesetFormat, RulesetProblem } from "./ruleset.ts";
import type { RulesetContext, Surroundings } from "./section.ts";
import type { Word } from "./words.ts";

export class IptablesDump {
  header: SaveHeader | null = null;
  format: RulesetFormat = "iptables-save";
  readonly problems: RulesetProblem[] = [];
  readonly #surroundings: Surroundings;
  readonly #tables = new Map<string, TableDraft>();
  #open: TableDraft | null = null;
  #chain: string | null = null;
  #isUnnamed = false;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  get isOpen(): boolean {
    return this.#open !== null;
  }

  get isNamed(): boolean {
    return this.#open !== null && !this.#isUnnamed;
  }

  get hasTables(): boolean {
    return this.#tables.size > 0;
  }

  has(table: string): boolean {
    return this.#tables.has(table) || this.#isUnnamed;
  }

  continuesUnder(header: SaveHeader): boolean {
    if (this.#tables.size === 0) return true;
    return this.header?.family === header.family && this.header.backend === header.backend;
  }

  open(table: string): void {
    this.#cut();
    this.#open = new TableDraft(table);
    this.#chain = null;
    this.#tables.set(table, this.#open);
  }

  openUnnamed(): void {
    if (this.#open !== null) return;
    this.format = "iptables-rules";
    this.#isUnnamed = true;
    this.#open = new TableDraft(this.#surroundings.table ?? "");
    this.#tables.set("", this.#open);
  }

  commit(): void {
    this.#open = null;
    this.#chain = null;
  }

  declare(name: string, policy: string, packets: string | undefined, bytes: string | undefined): void {
    const isBuiltIn = hookOfBuiltInChain(name) !== null;
    // `-` for a built-in chain leaves it as it is: such a file is added to rules that are there (`--noflush`).
    const chain = this.#open?.chain(name, policy === "-" && isBuiltIn ? "assumed" : "known");
    if (chain === undefined) return;
    chain.policy = policy;
    if (packets !== undefined) chain.counters = { packets: BigInt(packets), bytes: BigInt(bytes ?? "0") };
  }

  /** `-P`/`-N` behind rules, or of a chain that has been: another `-S` begins. */
  startsAgain(words: readonly Word[]): boolean {
    if (!this.#isUnnamed || this.#open === null) return false;
    const name = words[1]?.value ?? "";
    const existing = this.#open.chains.get(name);
    const hasRules = [...this.#open.chains.values()].some((chain) => chain.rules.length > 0);
    return hasRules || (existing !== undefined && existing.policy !== null);
  }

  edit(
    words: readonly Word[],
    counters: { packets: bigint; bytes: bigint } | null,
    line: number,
  ): string | null {
    const table = this.#open;
    if (table === null) return "a rule outside of a table";
    const letter = editLetter(words[0]?.value);
    const name = words[1]?.value ?? "";
    const unseenChain = letter === "-P" ? "known" : "assumed";
    const reason = applyEdit(table, {
      words,
      counters,
      line,
      unseenChain,
      spelling: "restore",
      allowsProse: this.#isUnnamed,
    });
    if (reason !== null) return reason;
    if (letter === "-P") this.#readPolicyCounters(table, name, words);
    if (letter === "-A") this.#chain = name;
    return null;
  }

  elide(): void {
    this.#open?.elide(this.#chain);
  }

  finish(context: RulesetContext): Ruleset | null {
    this.#cut();
    if (this.#tables.size === 0 && this.problems.length === 0) return null;
    const drafts = [...this.#tables.values()];
    const family = this.header?.family ?? this.#surroundings.family ?? familyOfRules(drafts) ?? "ip";
    const tables = drafts.map((draft) => {
      return draft.finish(family, draft.name === "" ? inferTable(draft).table : draft.name);
    });
    return {
      format: this.format,
      input: context.input,
      backend: this.header?.backend ?? this.#surroundings.backend,
      netns: context.netns,
      tables,
      problems: this.problems,
    };
  }

  /** The text ended inside a table: its last chain may have gone on. */
  #cut(): void {
    if (this.#open === null || this.#isUnnamed) return;
    // `* nat` may be an item of somebody's list.
    if (this.#open.chains.size === 0) this.#tables.delete(this.#open.name);
    const chains = [...this.#open.chains.values()];
    for (const chain of chains) {
      if (chain.name === this.#chain || chain.rules.length === 0) chain.complete = false;
    }
    this.#open = null;
  }

  #readPolicyCounters(table: TableDraft, name: string, words: readonly Word[]): void {
    const at = words.findIndex((word) => word.value === "-c");
    const [packets, bytes] = [words[at + 1]?.value ?? "", words[at + 2]?.value ?? ""];
    if (at === -1 || !/^\d+$/.test(packets) || !/^\d+$/.test(bytes)) return;
    table.chain(name, "known").counters = { packets: BigInt(packets), bytes: BigInt(bytes) };
  }
}
