/** About the evidence itself: `gap`, `rules-missing`, `not-enough-evidence`. Nothing is concluded across a hole. */
import type { GapEvent } from "../../events/event.ts";
import type { Journey, Step } from "../../journeys/journey.ts";
import type { Diagnose } from "../cause.ts";
import { word } from "../commands.ts";
import type { Finding } from "../finding.ts";
import { wordsOfHole } from "../log-holes.ts";
import type { Outcome } from "../outcome.ts";
import { chainName } from "../rule-words.ts";

export const gap: Diagnose = (journey) =>
  journey.gaps.map(
    (event): Finding => ({
      cause: "gap",
      severity: "warning",
      what: lossOf(event),
      why: "a step that is not shown here may have happened",
      try: event.remedy,
      evidence: [],
      wouldBeWrongIf: "the lost events belong to other packets",
    }),
  );

function lossOf(event: GapEvent): string {
  const { gap, count } = event;
  if (gap === "lines-missing") return wordsOfHole(event);
  return `${count === null ? "some" : count} events were lost while it was under way (${gap})`;
}

export const rulesMissing: Diagnose = (journey) => {
  const missing = journey.steps.flatMap((step, at) => (isUnexplained(step) ? [at] : []));
  if (missing.length === 0) return [];
  const names = [...new Set(missing.map((at) => nameOf(journey.steps[at] as Step)))];
  const notes = [...new Set(missing.flatMap((at) => journey.steps[at]?.resolved.note ?? []))];
  const shown = names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");
  return [
    {
      cause: "rules-missing",
      severity: notes.length > 0 ? "warning" : "info",
      what: `no text for ${shown}`,
      why: notes[0] ?? "the trace names rules by position, and no listing of the tables was given",
      try: saveCommand(journey.steps[missing[0] as number] as Step),
      evidence: missing,
      wouldBeWrongIf: "a ruleset with these rules is given",
    },
  ];
};

export const notEnoughEvidence: Diagnose = (journey, { outcome }) => {
  if (outcome.verdict === "vanished") return [vanished(journey, outcome)];
  return [];
};

function isUnexplained(step: Step): boolean {
  return step.kind === "rule" && !step.isOwn && step.resolved.rule === null && step.event.ruleText === null;
}

function nameOf(step: Step): string {
  const { number, handle } = step.event;
  return `${chainName(step)} rule ${number ?? `handle ${handle ?? "?"}`}`;
}

function saveCommand(step: Step): string {
  if (step.event.tracer === "nft") return "give the output of: nft -a list ruleset";
  return `give the output of: ${step.event.family === "ip6" ? "ip6tables-save" : "iptables-save"} -c`;
}

/** Between PREROUTING and the next hook is routing, and everything there that kills a packet without a rule. */
function vanished(journey: Journey, outcome: Outcome): Finding {
  const at = journey.steps.findLastIndex((step) => step.hook !== null);
  const last = journey.steps[at];
  const silent = [...new Set(outcome.silent.map((chain) => chain.hook.toUpperCase()))].join(" nor ");
  const common = {
    cause: "not-enough-evidence",
    severity: "warning",
    evidence: at === -1 ? [] : [at],
    wouldBeWrongIf: "the log was cut here, or the kernel does not trace chains without rules (OpenWrt)",
  } as const;
  if (last === undefined) throw new Error("a packet vanishes behind a step");
  if (outcome.silent.some((chain) => chain.hook === last.hook)) {
    const chains = [...new Set(outcome.silent.map((chain) => chain.table))].join(", ");
    return {
      ...common,
      what: `${chainName(last)} let it go, and ${chains} behind it at ${silent} never saw it`,
      why: "between two tables of one hook only conntrack and NAT can drop a packet: the connection table was full, or no mapping was free; or lines of the trace are missing",
      try: "dmesg | grep -i 'table full'; conntrack -S; sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
    };
  }
  if (last.hook !== "prerouting") {
    return {
      ...common,
      what: `no rule dropped it in ${last.hook?.toUpperCase()}, and then it was not seen in ${silent}`,
      why: "little comes between: an IPsec policy, a chain without a trace, a queue; or lines of the trace are missing",
      try: "ip xfrm policy; nstat -az | grep -i -e discard -e drop; ip -s link",
    };
  }
  const packet = last.sighting?.packet;
  const dev = last.sighting?.in ?? null;
  const conf = journey.family === "ip6" ? "net.ipv6.conf" : "net.ipv4.conf";
  const names = dev === null ? "" : ` ${conf}.${word(dev)}.forwarding ${conf}.${word(dev)}.rp_filter`;
  const forwarding = journey.family === "ip6" ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward";
  const canAsk = isAddress(packet?.dst) && isAddress(packet?.src) && dev !== null;
  const route = canAsk ? `ip route get ${packet?.dst} from ${packet?.src} iif ${word(dev as string)}; ` : "";
  return {
    ...common,
    what: `no chain dropped it: PREROUTING let it go and neither ${silent} saw it, so routing lost it`,
    why: "possible there: forwarding is off (globally or on that interface), rp_filter, no route, a blackhole or prohibit route, a martian address",
    try: `${route}sysctl ${forwarding}${names}; nstat -az IpInAddrErrors IpInNoRoutes IpExtInNoRoutes TcpExtIPReversePathFilter`,
  };
}

function isAddress(text: string | null | undefined): boolean {
  return text != null && /^[\d.]+$|^[\da-f:.]+$/.test(text) && !text.startsWith(".");
}
