/** A finished rule of an iptables table; its conditions and what it does are read when they are first asked for. */
import type { Family } from "../netfilter/family.ts";
import { hookOfBuiltInChain } from "../netfilter/hook.ts";
import type { RuleDraft } from "./iptables-draft.ts";
import type { RuleSpecification } from "./iptables-rule.ts";
import type { RuleSource } from "./iptables-rule-source.ts";
import { targetStatements } from "./iptables-targets.ts";
import type { Counters, Match, Rule, Statement } from "./ruleset.ts";

/** What a rule's words mean depends on. */
export interface RuleContext {
  readonly chain: string;
  readonly family: Family;
  /** Of its table: `-j LOG` jumps where there is a chain of that name. */
  readonly chainNames: ReadonlySet<string>;
}

type Meaning = Pick<Rule, "comment" | "matches" | "statements">;

export class IptablesRule implements Rule {
  readonly number: number | null;
  readonly handle: bigint | null;
  readonly counters: Counters | null;
  readonly line: number;
  readonly #source: RuleSource;
  readonly #context: RuleContext;
  #meaning: Meaning | null = null;

  constructor(
    number: number | null,
    { source, counters, line }: RuleDraft,
    context: RuleContext,
    handle: bigint | null = null,
  ) {
    this.number = number;
    this.handle = handle;
    this.counters = counters;
    this.line = line;
    this.#source = source;
    this.#context = context;
  }

  get short(): string {
    return this.#source.words;
  }

  get text(): string {
    return this.short === "" ? `-A ${this.#context.chain}` : `-A ${this.#context.chain} ${this.short}`;
  }

  get target(): string | null {
    return this.#source.target;
  }

  get comment(): string | null {
    return this.#read().comment;
  }

  get matches(): readonly Match[] {
    return this.#read().matches;
  }

  get statements(): readonly Statement[] {
    return this.#read().statements;
  }

  /** The same rule, with the handle that nft knows it by. */
  withHandle(handle: bigint | null): IptablesRule {
    const draft = { source: this.#source, counters: this.counters, line: this.line };
    return new IptablesRule(this.number, draft, this.#context, handle);
  }

  #read(): Meaning {
    this.#meaning ??= meaningOf(this.#source.read(), this.#context);
    return this.#meaning;
  }
}

function meaningOf({ matches, target, comment }: RuleSpecification, context: RuleContext): Meaning {
  return {
    comment,
    matches: matches.filter((match) => !isOwnFamily(match, context.family)),
    statements: target === null ? [] : statementsOf(target, context.chainNames),
  };
}

function statementsOf(
  target: NonNullable<RuleSpecification["target"]>,
  chainNames: ReadonlySet<string>,
): readonly Statement[] {
  if (target.kind === "goto") return [{ kind: "goto", chain: target.name }];
  if (chainNames.has(target.name) && hookOfBuiltInChain(target.name) === null) {
    return [{ kind: "jump", chain: target.name }];
  }
  const statements = targetStatements(target.name, target.options);
  // iptables' targets are upper-case: another name is a chain that this text does not show.
  const isChainName = statements[0]?.kind === "opaque" && /[^A-Z0-9]/.test(target.name);
  return isChainName && target.options.length === 0 ? [{ kind: "jump", chain: target.name }] : statements;
}

/** `-4` in an IPv4 table says nothing. */
function isOwnFamily(match: Match, family: Family): boolean {
  return match.kind === "family" && match.value === family && /^(-4|-6|--ipv[46])$/.test(match.text);
}
