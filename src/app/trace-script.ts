/** `nfpath trace --print-script`: a filter in every way of saying it that the script may find a use for. */
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Filter, FilterProblem } from "../core/filters/filter.ts";
import { type IptablesMatch, toIptablesMatches } from "../core/filters/iptables.ts";
import { toNftRules } from "../core/filters/nft.ts";
import { printForTcpdump } from "../core/filters/print.ts";
import {
  type AtHooks,
  type Said,
  type TraceScriptOptions,
  traceScript,
} from "../core/plans/script/trace-script.ts";
import { type Refusal, refusal } from "./refusal.ts";

export interface ScriptOptions {
  readonly version: string;
  /** Null: every packet. */
  readonly filter: Filter | null;
  /** The filter as it was typed. */
  readonly filterText: string;
  readonly seconds: number;
  readonly rate: number;
}

/** The script's text; refused when neither nft nor iptables nor bytecode could choose these packets. */
export function scriptFor(options: ScriptOptions): Result<string, Refusal> {
  const { filter } = options;
  if (options.seconds < 1 || options.rate < 1)
    return refused(refusal(2, "--for and --rate are at least 1", "as in --for 30s --rate 1000"));
  const nft = nftWords(filter);
  const iptables = iptablesWords(filter);
  const tcpdump = tcpdumpWords(filter);
  if (!nft.ok && !iptables.ok && !tcpdump.ok)
    return refused(refusal(2, `filter: ${nft.problem}`, "use fewer different conditions"));
  const families = familiesOf(filter);
  if (families.length === 0)
    return refused(refusal(2, "filter: no IPv4 or IPv6 packet can match it", "IP hooks see no ARP"));
  return ok(
    traceScript({
      version: options.version,
      filter: options.filterText,
      seconds: options.seconds,
      ratePerSecond: options.rate,
      nft,
      tcpdump,
      iptables,
      families,
    }),
  );
}

function nftWords(filter: Filter | null): TraceScriptOptions["nft"] {
  return said(atHooks((hook) => toNftRules(filter, "inet", hook)));
}

function iptablesWords(filter: Filter | null): TraceScriptOptions["iptables"] {
  const ip = atHooks((hook) => toIptablesMatches(filter, "ip", hook));
  if (!ip.ok) return said(ip);
  const ip6 = atHooks((hook) => toIptablesMatches(filter, "ip6", hook));
  return ip6.ok ? { ok: true, words: { ip: ip.value, ip6: ip6.value } } : said(ip6);
}

/** Bytecode knows no interface of a rule's hook, and what libpcap makes of `inbound` is about the link layer. */
export function tcpdumpWords(filter: Filter | null): Said<string> {
  if (filter === null) return { ok: false, problem: "every packet needs no bytecode" };
  if (mentionsPlace(filter)) return { ok: false, problem: "bytecode cannot say where a packet comes in" };
  return said(printForTcpdump(filter));
}

function mentionsPlace(filter: Filter): boolean {
  switch (filter.kind) {
    case "and":
    case "or":
      return mentionsPlace(filter.left) || mentionsPlace(filter.right);
    case "not":
      return mentionsPlace(filter.operand);
    default:
      return filter.kind === "interface" || filter.kind === "way";
  }
}

/** By nft's rules where there are any; a filter too large for those may be about both. */
export function familiesOf(filter: Filter | null): ("ip" | "ip6")[] {
  return (["ip", "ip6"] as const).filter((family) => {
    const rules = atHooks<readonly string[]>((hook) => toNftRules(filter, family, hook));
    return !rules.ok || rules.value.prerouting.length + rules.value.output.length > 0;
  });
}

function atHooks<Item extends readonly (string | IptablesMatch)[]>(
  say: (hook: "prerouting" | "output") => Result<Item, FilterProblem>,
): Result<AtHooks<Item>, FilterProblem> {
  const prerouting = say("prerouting");
  if (!prerouting.ok) return prerouting;
  const output = say("output");
  return output.ok ? ok({ prerouting: prerouting.value, output: output.value }) : output;
}

function said<Words>(result: Result<Words, FilterProblem>): Said<Words> {
  if (result.ok) return { ok: true, words: result.value };
  return { ok: false, problem: `${result.error.message}; ${result.error.hint}` };
}
