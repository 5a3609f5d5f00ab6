/** A finished nft rule; what it says is read when it is first asked for. */
import type { Counters, Match, Rule, Statement } from "./ruleset.ts";

/** What a rule's source says, once it is read in full. */
export type NftMeaning = Pick<
  Rule,
  "text" | "short" | "comment" | "counters" | "target" | "matches" | "statements"
>;

export class NftRule implements Rule {
  readonly number: number | null;
  readonly handle: bigint | null;
  readonly line: number | null;
  /** Null since it was read. */
  #read: (() => NftMeaning) | null;
  #meaning: NftMeaning | null = null;

  /** @param read called once at most */
  constructor(number: number | null, handle: bigint | null, line: number | null, read: () => NftMeaning) {
    this.number = number;
    this.handle = handle;
    this.line = line;
    this.#read = read;
  }

  get text(): string {
    return this.#said().text;
  }

  get short(): string {
    return this.#said().short;
  }

  get comment(): string | null {
    return this.#said().comment;
  }

  get counters(): Counters | null {
    return this.#said().counters;
  }

  get target(): string | null {
    return this.#said().target;
  }

  get matches(): readonly Match[] {
    return this.#said().matches;
  }

  get statements(): readonly Statement[] {
    return this.#said().statements;
  }

  #said(): NftMeaning {
    if (this.#meaning === null) {
      if (this.#read === null) throw new Error("a rule whose reading failed is asked again");
      this.#meaning = this.#read();
      this.#read = null;
    }
    return this.#meaning;
  }
}
