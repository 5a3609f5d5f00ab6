/**
 * nft tables while they are being read, from listings and from commands.
 */
import type { Family } from "../netfilter/family.ts";
import { parseNftRule } from "./nft-rule.ts";
import { NftRule } from "./nft-rule-model.ts";
import type { BaseChain, Chain, Rule, Table } from "./ruleset.ts";

export interface NftChainDraft {
  readonly name: string;
  handle: bigint | null;
  base: BaseChain | null;
  rules: NftRuleDraft[];
  positions: Chain["positions"];
  elidedAt: number | null;
}

export interface NftRuleDraft {
  readonly text: string;
  readonly handle: bigint | null;
  readonly line: number | null;
}

export class NftTableDraft {
  readonly family: Family;
  readonly name: string;
  readonly chains = new Map<string, NftChainDraft>();
  readonly opaque: string[] = [];

  constructor(family: Family, name: string) {
    this.family = family;
    this.name = name;
  }

  chain(name: string, positions: Chain["positions"]): NftChainDraft {
    let chain = this.chains.get(name);
    if (chain === undefined) {
      chain = { name, handle: null, base: null, rules: [], positions, elidedAt: null };
      this.chains.set(name, chain);
    }
    return chain;
  }

  finish(): Table {
    const chains = [...this.chains.values()].map(finishNftChain);
    return { family: this.family, name: this.name, chains, opaque: this.opaque };
  }
}

/** The rules behind this point have no position: lines were left out, or included from elsewhere. */
export function elideNftChain(chain: NftChainDraft): void {
  chain.elidedAt ??= chain.rules.length;
  chain.positions = "elided";
}

function finishNftChain(draft: NftChainDraft): Chain {
  return {
    name: draft.name,
    handle: draft.handle,
    base: draft.base,
    counters: null,
    rules: draft.rules.map((rule, index) => {
      const number = draft.elidedAt === null || index < draft.elidedAt ? index + 1 : null;
      return finishNftRule(rule, number);
    }),
    positions: draft.positions,
    complete: draft.positions === "known",
  };
}

function finishNftRule({ text, handle, line }: NftRuleDraft, number: number | null): Rule {
  return new NftRule(number, handle, line, () => {
    const { matches, statements, comment, counters, target, short } = parseNftRule(text);
    return { text, short, comment, counters, target, matches, statements };
  });
}
