/**
 * Reads `nft -j list ruleset`: one object `{"nftables": […]}` whose elements are tables, chains, rules and the rest, in
 * that order (libnftables-json(5)). Commands for `nft -j -f` (`{"add": {"rule": …}}`) have the same objects one level deeper.
 *
 * 64-bit numbers do not survive `JSON.parse`: a counter beyond 2^53 is given as null.
 */
import type { Family } from "../netfilter/family.ts";
import { isFamily } from "../netfilter/family.ts";
import type { Json } from "./json-value.ts";
import { isObject } from "./json-value.ts";
import { isHook, parsePriority } from "./nft-chain-type.ts";
import { NftRulesetDraft } from "./nft-commands.ts";
import type { NftChainDraft, NftTableDraft } from "./nft-draft.ts";
import { statementText } from "./nft-json-statements.ts";
import { parseNftRule } from "./nft-rule.ts";
import { type NftMeaning, NftRule } from "./nft-rule-model.ts";
import type { Chain, Match, Rule, Ruleset, RulesetProblem, Statement, Table } from "./ruleset.ts";
import type { RulesetContext } from "./section.ts";
import { problem } from "./section.ts";

/** Reads one or more JSON documents. `firstLine` is where the text begins in its input. */
export function readNftJson(text: string, context: RulesetContext, firstLine = 1): Ruleset[] {
  const rulesets: Ruleset[] = [];
  const whole = parseJson(text);
  const documents = whole === undefined ? jsonDocuments(text) : [text];
  for (const part of documents) {
    const parsed = whole ?? parseJson(part);
    if (parsed === undefined || !isObject(parsed) || !Array.isArray(parsed.nftables)) {
      const reason =
        parsed === undefined ? "the JSON is damaged or does not end" : "not a list of nftables objects";
      rulesets.push(emptyRuleset(context, [problem(firstLine, part.slice(0, 200), reason)]));
      continue;
    }
    rulesets.push(new JsonReader(context).read(parsed.nftables));
  }
  return rulesets;
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Cuts text into its top-level objects. */
function jsonDocuments(text: string): string[] {
  const documents: string[] = [];
  let depth = 0;
  let start = -1;
  let isString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isString) {
      if (code === 92) i++;
      else if (code === 34) isString = false;
    } else if (code === 34) isString = true;
    else if (code === 123 || code === 91) {
      if (depth++ === 0) start = i;
    } else if (code === 125 || code === 93) {
      depth = Math.max(0, depth - 1);
      if (depth === 0 && start !== -1) {
        documents.push(text.slice(start, i + 1));
        start = -1;
      }
    }
  }
  if (start !== -1) documents.push(text.slice(start));
  return documents;
}

class JsonReader {
  readonly #context: RulesetContext;
  readonly #draft = new NftRulesetDraft();
  readonly #problems: RulesetProblem[] = [];
  readonly #rules = new Map<NftChainDraft, JsonRule[]>();

  constructor(context: RulesetContext) {
    this.#context = context;
  }

  read(objects: readonly Json[]): Ruleset {
    for (const object of objects) {
      if (!isObject(object)) this.#complain(object, "not an object");
      else for (const [kind, value] of Object.entries(object)) this.#readObject(kind, value, "list");
    }
    const tables = this.#draft.tables().map((table) => this.#finish(table));
    return { ...emptyRuleset(this.#context, this.#problems), tables };
  }

  #readObject(kind: string, value: Json, verb: "list" | "add" | "insert"): void {
    if (kind === "metainfo") return;
    if (!isObject(value)) {
      if (!(kind === "flush" || kind === "list")) this.#complain({ [kind]: value }, "not an object");
      return;
    }
    if (kind === "add" || kind === "create" || kind === "insert" || kind === "replace") {
      for (const [inner, object] of Object.entries(value)) {
        this.#readObject(inner, object, kind === "insert" ? "insert" : "add");
      }
      return;
    }
    if (kind === "flush" || kind === "list" || kind === "delete" || kind === "reset" || kind === "rename")
      return;
    const family = value.family;
    if (typeof family !== "string" || !isFamily(family)) {
      this.#complain({ [kind]: value }, "no family that netfilter knows");
      return;
    }
    const table = this.#draft.table(family, String(kind === "table" ? value.name : value.table));
    if (kind === "table") {
      if (value.flags !== undefined) table.opaque.push(`flags ${[value.flags].flat().join(",")}`);
      return;
    }
    if (kind === "chain") this.#readChain(table, family, value, verb);
    else if (kind === "rule") this.#readRule(table, value, verb);
    else table.opaque.push(JSON.stringify({ [kind]: value }));
  }

  #readChain(
    table: NftTableDraft,
    family: Family,
    value: { readonly [key: string]: Json },
    verb: string,
  ): void {
    const chain = table.chain(String(value.name), verb === "list" ? "known" : "assumed");
    chain.handle = handleOf(value.handle);
    const hook = value.hook;
    if (typeof hook !== "string") return;
    const priority = value.prio;
    const number = typeof priority === "number" ? priority : parsePriority(String(priority ?? ""), family);
    if (!isHook(hook) || number === null) {
      this.#complain(value, "a hook or priority that cannot be read");
      return;
    }
    const device = value.dev;
    const policy = value.policy;
    chain.base = {
      type: String(value.type ?? "filter"),
      hook,
      priority: number,
      policy: policy === "accept" || policy === "drop" ? policy : null,
      devices: Array.isArray(device) ? device.map(String) : typeof device === "string" ? [device] : [],
    };
  }

  #readRule(table: NftTableDraft, value: { readonly [key: string]: Json }, verb: string): void {
    const chain = table.chain(String(value.chain), "assumed");
    const rules = this.#rules.get(chain) ?? [];
    this.#rules.set(chain, rules);
    if (verb === "insert") rules.unshift(value);
    else rules.push(value);
  }

  #finish(draft: NftTableDraft): Table {
    const table = draft.finish();
    const chains = table.chains.map((chain): Chain => {
      const rules = this.#rules.get(draft.chain(chain.name, "known")) ?? [];
      const finished = rules.map(
        (value, index) => new NftRule(index + 1, handleOf(value.handle), null, () => meaningOf(value)),
      );
      return { ...chain, rules: finished };
    });
    return { ...table, chains };
  }

  #complain(value: Json, reason: string): void {
    this.#problems.push(problem(null, JSON.stringify(value), reason));
  }
}

type JsonRule = { readonly [key: string]: Json };

function meaningOf(value: JsonRule): NftMeaning {
  const comment = typeof value.comment === "string" ? value.comment : null;
  const parts: string[] = [];
  const shown: string[] = [];
  const matches: Match[] = [];
  const statements: Statement[] = [];
  let counters: Rule["counters"] = null;
  let target: string | null = null;
  for (const expression of Array.isArray(value.expr) ? value.expr : []) {
    const text = statementText(expression);
    if (text === null) {
      const json = JSON.stringify(expression);
      parts.push(json);
      shown.push(json);
      statements.push({
        kind: "opaque",
        name: Object.keys(isObject(expression) ? expression : {})[0] ?? "",
        text: json,
      });
      continue;
    }
    const part = parseNftRule(text);
    parts.push(text);
    if (part.short !== "") shown.push(part.short);
    matches.push(...part.matches);
    statements.push(...part.statements);
    counters = part.counters ?? counters;
    target = part.target ?? target;
  }
  return {
    text: [...parts, ...(comment === null ? [] : [`comment "${comment}"`])].join(" "),
    short: shown.join(" "),
    comment,
    counters,
    target,
    matches,
    statements,
  };
}

function handleOf(value: Json | undefined): bigint | null {
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : null;
}

function emptyRuleset(context: RulesetContext, problems: readonly RulesetProblem[]): Ruleset {
  return {
    format: "nft-json",
    input: context.input,
    backend: "nft",
    netns: context.netns,
    tables: [],
    problems,
  };
}
