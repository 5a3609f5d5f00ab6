/**
 * Conntrack calls it INVALID, and a rule acts on that: it drops what is, or lets only what is not through.
 *
 * INVALID is a packet that belongs to no connection and may not begin one: a TCP segment outside the window or of a
 * connection that this host never saw begin (`nf_conntrack_tcp_loose` 0), a wrong checksum, an ICMP error about nothing. The
 * kernel says why in its log where `nf_conntrack_log_invalid` is set, and counts `invalid` in its statistics.
 */
import type { Journey } from "../../journeys/journey.ts";
import type { Diagnose } from "../cause.ts";
import { isCalled, rulesPassedOver } from "../conntrack-states.ts";
import type { Finding } from "../finding.ts";
import { chainName, ruleName, whyRule } from "../rule-words.ts";

export const conntrackInvalid: Diagnose = (journey, { outcome }) => {
  const at = journey.steps.length - 1;
  const step = journey.steps[at];
  if (step === undefined) return [];
  const common = {
    cause: "conntrack-invalid",
    evidence: [at],
    wouldBeWrongIf: step.resolved.note ?? "the rules were changed between the trace and the listing",
    try: whatToTry(journey),
  } as const;
  if (outcome.cause === "conntrack-invalid") {
    const told = outcome.verdict === "rejected" ? "and its sender was told" : "nobody was told";
    return [
      {
        ...common,
        severity: "error",
        what: `${ruleName(step)} ${outcome.verdict} it because conntrack calls it INVALID; ${told}`,
        why: `${whyRule(journey.steps, at)}; ${whyInvalid(journey)}`,
      } satisfies Finding,
    ];
  }
  if (outcome.verdict !== "dropped" && outcome.verdict !== "rejected") return [];
  const [passed] = isCalled(journey, "invalid") ? rulesPassedOver(journey, step.hop) : [];
  if (passed === undefined) return [];
  return [
    {
      ...common,
      severity: "warning",
      what: `conntrack calls it INVALID, so ${chainName(passed.step)} rule ${passed.rule.number ?? "?"} (${passed.rule.short}) was no match for it`,
      why: whyInvalid(journey),
    },
  ];
};

function whyInvalid(journey: Journey): string {
  const { protocol, tcp } = journey.first?.packet ?? {};
  const flags = tcp?.flags ?? null;
  const isSyn = flags !== null && (flags & 0x02) !== 0;
  if (protocol === "tcp" && !isSyn)
    return "it begins no connection, and conntrack has seen none that it belongs to, or finds it outside the window";
  return "it belongs to no connection that conntrack has seen, and may not begin one";
}

/** The setting is put back with 0; the kernel's log has the reason of each such packet then. */
function whatToTry(journey: Journey): string {
  const protocol = journey.first?.packet.protocol === "udp" ? 17 : 6;
  return `conntrack -S | grep -o 'invalid=[0-9]*'; sysctl -w net.netfilter.nf_conntrack_log_invalid=${protocol}  # the kernel log then tells why; undo: =0`;
}
