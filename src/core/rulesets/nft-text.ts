/**
 * Reads what `nft list ruleset` prints, with or without `-a`, and files for `nft -f`: tables as blocks, and commands
 * (`add rule ip filter input tcp dport 22 drop`).
 *
 * nft prints one rule a line; sets, maps and objects have blocks of their own. With `-a` every object ends in
 * `# handle N`. Variables and included files are not followed: a rule that names a variable keeps its `$name`, and a
 * chain that includes a file has no positions behind it.
 */
import type { Family } from "../netfilter/family.ts";
import { isFamily } from "../netfilter/family.ts";
import { parseChainType, parseDevices, parsePolicy } from "./nft-chain-type.ts";
import { NftRulesetDraft, runNftCommand } from "./nft-commands.ts";
import type { NftChainDraft, NftTableDraft } from "./nft-draft.ts";
import { elideNftChain } from "./nft-draft.ts";
import type { NftStatement } from "./nft-scanner.ts";
import { NftScanner } from "./nft-scanner.ts";
import { unquoted } from "./nft-words.ts";
import type { Ruleset, RulesetProblem } from "./ruleset.ts";
import type { RulesetContext } from "./section.ts";
import { isElision, problem } from "./section.ts";

const OBJECT_BLOCK =
  /^(set|map|flowtable|counter|quota|limit|synproxy|secmark|tunnel|ct helper|ct timeout|ct expectation)\b/;

const TOP_BLOCK =
  /^(?:(?:\S*\/)?nft\s+)?(?:(?:add|create)\s+)?(table|chain|set|map|flowtable|counter|quota|limit|synproxy|secmark|ct)\s/;

/** Values and rules from elsewhere stay unknown. */
const NOT_FOLLOWED = /^(include|define|redefine|undefine)\b/;

/** Reads a text of tables and commands. `firstLine` is the input's line where the text begins. */
export function readNftText(text: string, context: RulesetContext, firstLine = 1): Ruleset[] {
  return new NftTextReader(text, context, firstLine).read();
}

class NftTextReader {
  readonly #scanner: NftScanner;
  readonly #context: RulesetContext;
  readonly #rulesets: Ruleset[] = [];
  #draft = new NftRulesetDraft();
  #problems: RulesetProblem[] = [];

  constructor(text: string, context: RulesetContext, firstLine: number) {
    this.#scanner = new NftScanner(text, firstLine);
    this.#context = context;
  }

  read(): Ruleset[] {
    for (;;) {
      const statement = this.#scanner.next((words) => TOP_BLOCK.test(words.trim()));
      if (statement.text !== "") this.#readTop(statement);
      if (statement.end === "end") break;
    }
    this.#nextRuleset();
    return this.#rulesets;
  }

  #readTop(statement: NftStatement): void {
    const { text, line } = statement;
    if (statement.end === "{") {
      const table = tableOf(text);
      if (table !== null) this.#readTable(this.#draft.table(table.family, table.name), statement);
      else this.#readCommandBlock(statement);
    } else if (NOT_FOLLOWED.test(text)) {
      this.#problems.push(problem(line, text, "not followed"));
    } else {
      const reason = runNftCommand(this.#draft, text, line);
      if (reason !== null) this.#problems.push(problem(line, text, reason));
    }
  }

  #readTable(table: NftTableDraft, opening: NftStatement): void {
    let current = table;
    for (;;) {
      const statement = this.#scanner.next(
        (words) => /^\s*chain\s/.test(words) || OBJECT_BLOCK.test(words.trim()),
      );
      const { text, end } = statement;
      if (end === "{" && /^chain\s/.test(text)) {
        const name = unquoted(text.slice(5).trim());
        const existing = current.chains.get(name);
        // Listings of one table at two moments: the second is a ruleset of its own.
        if (existing !== undefined && (existing.rules.length > 0 || existing.base !== null)) {
          this.#nextRuleset();
          current = this.#draft.table(table.family, table.name);
        }
        this.#readChain(current.chain(name, "known"), current.family, statement);
      } else if (end === "{") this.#readObject(current, text);
      else if (/^flags\b/.test(text)) current.opaque.push(text);
      else if (text !== "" && !/^(flags|comment|policy|type)\b/.test(text)) {
        if (NOT_FOLLOWED.test(text)) this.#problems.push(problem(statement.line, text, "not followed"));
        else if (!isElision(text)) this.#problems.push(problem(statement.line, text, "not part of a table"));
      }
      if (end === "}") return;
      if (end === "end") {
        this.#problems.push(problem(opening.line, opening.text, "the table does not end in this text"));
        return;
      }
    }
  }

  #readChain(chain: NftChainDraft, family: Family, opening: NftStatement): void {
    chain.handle = handleOf(opening.comment) ?? chain.handle;
    for (;;) {
      const statement = this.#scanner.next(() => false);
      this.#readChainStatement(chain, family, statement);
      if (statement.end === "}") return;
      if (statement.end === "end") {
        // Cut in the middle: what follows is unknown.
        elideNftChain(chain);
        return;
      }
    }
  }

  #readChainStatement(chain: NftChainDraft, family: Family, statement: NftStatement): void {
    const { text, comment, line } = statement;
    if (text === "") {
      if (comment !== null && isElision(`# ${comment}`)) elideNftChain(chain);
      return;
    }
    if (/^type\s+\w+\s+hook\b/.test(text)) {
      const base = parseChainType(text, family);
      if (base === null) this.#problems.push(problem(line, text, "a hook or priority that cannot be read"));
      else chain.base = { ...base, policy: chain.base?.policy ?? base.policy };
    } else if (/^policy\s/.test(text)) {
      const policy = parsePolicy(text);
      if (chain.base !== null && policy !== null) chain.base = { ...chain.base, policy };
    } else if (/^devices?\s*=/.test(text)) {
      if (chain.base !== null)
        chain.base = { ...chain.base, devices: parseDevices(text.replace(/^devices?\s*=/, "")) };
    } else if (/^(flags \w+|comment ".*")$/.test(text)) {
      return;
    } else if (isElision(text) || /^include\b/.test(text)) {
      elideNftChain(chain);
    } else {
      const [rule, handle] = ruleAndHandle(text, comment);
      chain.rules.push({ text: rule, handle, line });
    }
  }

  /** A set, a map, an object: kept as text. */
  #readObject(table: NftTableDraft, header: string): void {
    const parts: string[] = [];
    for (;;) {
      const statement = this.#scanner.next(() => false);
      if (statement.text !== "") parts.push(statement.text);
      if (statement.end === "}" || statement.end === "end") break;
    }
    table.opaque.push(`${header} { ${parts.join("; ")} }`);
  }

  /** `add chain inet x y { type filter hook … ; policy drop; }` */
  #readCommandBlock(opening: NftStatement): void {
    const words = opening.text.replace(/^nft\s+/, "").split(" ");
    const target = this.#draft.namedObject(words);
    if (words[1] === "chain" && target !== null) {
      this.#readChain(target.table.chain(target.name, "assumed"), target.table.family, opening);
      return;
    }
    const table = target?.table ?? this.#draft.table("ip", "");
    this.#readObject(table, opening.text);
  }

  #nextRuleset(): void {
    const tables = this.#draft.finish();
    if (tables.length > 0 || this.#problems.length > 0) {
      this.#rulesets.push({
        format: "nft-text",
        input: this.#context.input,
        backend: "nft",
        netns: this.#context.netns,
        tables,
        problems: this.#problems,
      });
    }
    this.#draft = new NftRulesetDraft();
    this.#problems = [];
  }
}

/** `table [family] name` of a block's opening words; null for another block. */
function tableOf(text: string): { family: Family; name: string } | null {
  const match = /^(?:(?:nft\s+)?(?:add|create)\s+)?table\s+(?:(\w+)\s+)?(\S+)$/.exec(text);
  if (match === null) return null;
  const [, family = "ip", name = ""] = match;
  return isFamily(family) ? { family, name: unquoted(name) } : null;
}

/**
 * A rule's text and handle. The comment behind a rule is `handle 5`; older nft printed what it could not translate as a comment
 * too (`# xt_mark counter accept # handle 5`), which belongs to the rule.
 */
function ruleAndHandle(text: string, comment: string | null): [string, bigint | null] {
  if (comment === null) return [text, null];
  const match = /^(.*?)(?:#\s*)?handle (\d+)$/.exec(comment);
  const rest = (match?.[1] ?? comment).trim();
  const handle = match === null ? null : BigInt(match[2] ?? "0");
  return [/^(xt_|match |target )/.test(rest) ? `${text} # ${rest}` : text, handle];
}

function handleOf(comment: string | null): bigint | null {
  const match = /handle (\d+)$/.exec(comment ?? "");
  return match === null ? null : BigInt(match[1] ?? "0");
}
