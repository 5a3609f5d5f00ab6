/**
 * A filter as rules of legacy iptables, for hosts without nft: in plain matches where those can say it, else as bytecode for
 * `-m bpf`, which tcpdump compiles and which means exactly what tcpdump means.
 */
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Filter } from "../core/filters/filter.ts";
import { type IptablesMatch, toIptablesMatches } from "../core/filters/iptables.ts";
import type { RawSelectors, RuleProgram } from "../core/plans/raw-rules.ts";
import { runSuccessfully } from "../linux/process.ts";
import type { Mechanism } from "../tracing/mechanism.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { familiesOf, tcpdumpWords } from "./trace-script.ts";

/** More rules than this a chain and family are a burden to every packet; bytecode needs one. */
const MOST_ROWS = 32;
/** `XT_BPF_MAX_NUM_INSTR`; a line of tcpdump's listing each, behind their number. */
const MOST_INSTRUCTIONS = 64;

export interface RawFilter {
  readonly selectors: readonly RawSelectors[];
  /** What is not traced, for a person. */
  readonly notes: readonly string[];
}

export async function rawSelectorsOf(
  filter: Filter | null,
  { programs }: Extract<Mechanism, { readonly kind: "iptables" }>,
): Promise<Result<RawFilter, Refusal>> {
  const families = familiesOf(filter);
  const selectors: RawSelectors[] = [];
  const notes: string[] = [];
  for (const family of families) {
    const program = programs[family];
    if (program === null) {
      notes.push("no ip6tables that writes legacy rules is installed: IPv6 packets are not traced");
      continue;
    }
    const plain = plainRules(filter, family, program);
    const rules = plain.ok ? plain : await bytecodeRules(filter, program, plain.error);
    if (!rules.ok) return rules;
    selectors.push(rules.value);
  }
  if (selectors.length > 0) return ok({ selectors, notes });
  return refused(
    refusal(2, "filter: no packet that iptables sees can match it", "choose IPv4 or IPv6 packets"),
  );
}

function plainRules(
  filter: Filter | null,
  family: "ip" | "ip6",
  program: RuleProgram,
): Result<RawSelectors, string> {
  const rows: Record<"prerouting" | "output", readonly IptablesMatch[]> = { prerouting: [], output: [] };
  for (const hook of ["prerouting", "output"] as const) {
    const found = toIptablesMatches(filter, family, hook);
    if (!found.ok) return refused(found.error.message);
    if (found.value.length > MOST_ROWS)
      return refused(`plain iptables matches would need ${found.value.length} rules a chain`);
    rows[hook] = found.value;
  }
  return ok({ program, ...rows });
}

async function bytecodeRules(
  filter: Filter | null,
  program: RuleProgram,
  problem: string,
): Promise<Result<RawSelectors, Refusal>> {
  const words = tcpdumpWords(filter);
  if (!words.ok) return refused(cannotSay(`${problem}, and ${words.problem}`, CHANGE_IT));
  const compiled = await runSuccessfully("tcpdump", ["-y", "RAW", "-ddd", words.words]);
  if (!compiled.ok)
    return refused(cannotSay(`${problem}, and ${compiled.error.message}`, compiled.error.hint));
  const lines = compiled.value.trim().split("\n");
  const instructions = lines.length - 1;
  if (instructions > MOST_INSTRUCTIONS)
    return refused(
      cannotSay(
        `${problem}, and -m bpf takes ${MOST_INSTRUCTIONS} instructions, not ${instructions}`,
        CHANGE_IT,
      ),
    );
  const match = ["-m", "bpf", "--bytecode", lines.join(",")];
  return ok({ program, prerouting: [match], output: [match] });
}

const CHANGE_IT = "choose by fewer or other conditions, or install nft";

function cannotSay(problem: string, hint: string): Refusal {
  return refusal(2, `filter: iptables rules cannot choose these packets: ${problem}`, hint);
}
