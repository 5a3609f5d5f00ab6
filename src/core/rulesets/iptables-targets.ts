/**
 * What an iptables target does to a packet's way.
 *
 * Which targets end a chain is decided in the kernel by the verdict a target returns: `XT_CONTINUE` goes on with the
 * next rule, anything else leaves the chain (`net/netfilter/xt_*.c`). A target that does now one and now the other
 * (TPROXY, SYNPROXY, CLUSTERIP), and one that nobody here knows, stays `opaque`.
 */
import type { Statement } from "./ruleset.ts";
import type { Word } from "./words.ts";
import { joinRaw } from "./words.ts";

/** Targets that answer `XT_CONTINUE`, whatever they did to the packet. */
const CONTINUING: ReadonlySet<string> = new Set([
  "ACCOUNT",
  "AUDIT",
  "CHECKSUM",
  "CLASSIFY",
  "CONNMARK",
  "CONNSECMARK",
  "CT",
  "DNPT",
  "DSCP",
  "ECN",
  "FLOWOFFLOAD",
  "HL",
  "HMARK",
  "IDLETIMER",
  "LED",
  "NFACCT",
  "RATEEST",
  "SECMARK",
  "SET",
  "SNPT",
  "TCPMSS",
  "TCPOPTSTRIP",
  "TEE",
  "TOS",
  "TTL",
]);

/** Options that carry a translating target's new address or port, new spelling first. */
const TRANSLATION_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  DNAT: ["--to-destination", "--to"],
  SNAT: ["--to-source", "--to"],
  SAME: ["--to"],
  MASQUERADE: ["--to-ports"],
  REDIRECT: ["--to-ports", "--to-port", "--to"],
  NETMAP: ["--to"],
};

const TRANSLATION_KINDS = {
  DNAT: "dnat",
  SNAT: "snat",
  SAME: "snat",
  MASQUERADE: "masquerade",
  REDIRECT: "redirect",
  NETMAP: "netmap",
} as const;

/**
 * The statements of `-j name options…`: the target's own, then a `pass` with the options that the first has no field
 * for. `name` must not be a chain of the table.
 */
export function targetStatements(name: string, options: readonly Word[]): Statement[] {
  switch (name) {
    case "ACCEPT":
      return withRest({ kind: "accept" }, name, options);
    case "DROP":
      return withRest({ kind: "drop" }, name, options);
    case "RETURN":
      return withRest({ kind: "return" }, name, options);
    case "CONTINUE":
      return withRest({ kind: "continue" }, name, options);
    case "QUEUE":
      return withRest({ kind: "queue", queue: null }, name, options);
    case "TRACE":
      return withRest({ kind: "trace" }, name, options);
    case "NOTRACK":
      return withRest({ kind: "notrack" }, name, options);
    case "REJECT": {
      const [value, rest] = take(options, ["--reject-with"]);
      return withRest({ kind: "reject", with: value }, name, rest);
    }
    case "NFQUEUE": {
      const [value, rest] = take(options, ["--queue-num", "--queue-balance"]);
      return withRest({ kind: "queue", queue: value }, name, rest);
    }
    case "CT": {
      const words = options.map((word) => word.value);
      if (words.includes("--notrack")) {
        const rest = options.filter((word) => word.value !== "--notrack");
        return withRest({ kind: "notrack" }, name, rest);
      }
      return [{ kind: "pass", name, text: joinRaw(options) }];
    }
    case "DNAT":
    case "SNAT":
    case "SAME":
    case "MASQUERADE":
    case "REDIRECT":
    case "NETMAP": {
      const [value, rest] = take(options, TRANSLATION_OPTIONS[name] ?? []);
      return withRest({ kind: TRANSLATION_KINDS[name], to: value }, name, rest);
    }
    case "MARK":
      return [{ kind: "mark", text: joinRaw(options) }];
    case "LOG":
    case "NFLOG":
    case "ULOG": {
      const at = options.findIndex((word) => /^--(log|nflog|ulog)-prefix$/.test(word.value));
      const prefix = at === -1 ? null : (options[at + 1]?.value ?? null);
      return [{ kind: "log", prefix, text: joinRaw(options) }];
    }
    default:
      return [{ kind: CONTINUING.has(name) ? "pass" : "opaque", name, text: joinRaw(options) }];
  }
}

/** The words of a target's statements in `iptables-save` form, without `-j NAME`; the reverse of `targetStatements`. */
export function targetOptionText(target: string, statements: readonly Statement[]): string {
  const parts: string[] = [];
  for (const [index, statement] of statements.entries()) {
    const words = index === 0 ? ownOptionText(target, statement) : "text" in statement ? statement.text : "";
    if (words !== "") parts.push(words);
  }
  return parts.join(" ");
}

function ownOptionText(target: string, statement: Statement): string {
  switch (statement.kind) {
    case "reject":
      return statement.with === null ? "" : `--reject-with ${statement.with}`;
    case "queue": {
      if (statement.queue === null) return "";
      return `${statement.queue.includes(":") ? "--queue-balance" : "--queue-num"} ${statement.queue}`;
    }
    case "dnat":
    case "snat":
    case "masquerade":
    case "redirect":
    case "netmap":
      return statement.to === null ? "" : `${TRANSLATION_OPTIONS[target]?.[0] ?? "--to"} ${statement.to}`;
    case "notrack":
      return target === "CT" ? "--notrack" : "";
    case "mark":
    case "log":
    case "pass":
    case "opaque":
      return statement.text;
    default:
      return "";
  }
}

function withRest(statement: Statement, name: string, rest: readonly Word[]): Statement[] {
  if (rest.length === 0) return [statement];
  return [statement, { kind: "pass", name: `${name} options`, text: joinRaw(rest) }];
}

/** The value of the first of `names` among the options (`--to x`, `--to=x`), and the options without it. */
function take(options: readonly Word[], names: readonly string[]): [string | null, readonly Word[]] {
  const at = options.findIndex((word) => names.includes(word.value));
  if (at === -1) return [null, options];
  const value = options[at + 1];
  return [value?.raw ?? null, [...options.slice(0, at), ...options.slice(at + 2)]];
}
