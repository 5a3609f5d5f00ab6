/**
 * Address translation: by a rule (`dnat`, `snat`), or in silence by conntrack (`nat-from-conntrack`).
 *
 * nat chains see the first packet of a connection. What they decided is kept in conntrack and applied to every later
 * packet, and backwards to every reply, without a step in any trace: the question most often asked about TRACE output.
 */
import type { Change, Journey, Step } from "../../journeys/journey.ts";
import { statementsOf } from "../../rulesets/rule-statements.ts";
import type { Statement } from "../../rulesets/ruleset.ts";
import type { Diagnose } from "../cause.ts";
import { showChain } from "../commands.ts";
import type { Finding } from "../finding.ts";
import { endpoint, type Mapping } from "../flows.ts";
import { ruleName, ruleText } from "../rule-words.ts";
import { originOfStep, withOrigin } from "../step-origin.ts";
import { leftAsItCame } from "./asymmetric-reply.ts";

const DESTINATION: readonly Statement["kind"][] = ["dnat", "redirect"];
const SOURCE: readonly Statement["kind"][] = ["snat", "masquerade"];

export const dnat: Diagnose = (journey) =>
  journey.steps.flatMap((step, at) => {
    const to = natBy(step, DESTINATION);
    if (to === null) return [];
    const origin = originOfStep(step);
    const before = endpoint(step.sighting?.packet.dst ?? null, step.sighting?.packet.dport ?? null);
    const after = changed(step, before, "dst", "dport", to) ?? to;
    const isForwarded = journey.steps.some((later, index) => index > at && later.hook === "forward");
    const turn = isForwarded
      ? "; from here on FORWARD's rules decide about it, and INPUT's never see it"
      : "; every later chain sees the new destination";
    return [
      {
        cause: "dnat",
        severity: "info",
        what: `${withOrigin(ruleName(step), origin)} sent it to ${after} instead of ${before}${turn}`,
        why: ruleText(step) ?? "the addresses before and after it differ",
        try: origin === null ? showChain(step) : `${origin.change}; ${showChain(step)}`,
        evidence: [at],
        wouldBeWrongIf: "the listing is not the one that was in force",
        origin,
      } satisfies Finding,
    ];
  });

export const snat: Diagnose = (journey, { mapping }) =>
  journey.steps.flatMap((step, at) => {
    const to = natBy(step, SOURCE);
    if (to === null) return [];
    const origin = originOfStep(step);
    const before = endpoint(step.sighting?.packet.src ?? null, step.sighting?.packet.sport ?? null);
    const after = changed(step, before, "src", "sport", to) ?? exactSource(journey, mapping) ?? to;
    return [
      {
        cause: "snat",
        severity: "info",
        what: `${withOrigin(ruleName(step), origin)} lets it leave as ${after} instead of ${before}; replies come back there`,
        why: ruleText(step) ?? "the addresses before and after it differ",
        try: origin === null ? showChain(step) : `${origin.change}; ${showChain(step)}`,
        evidence: [at],
        wouldBeWrongIf: "the listing is not the one that was in force",
        origin,
      } satisfies Finding,
    ];
  });

export const natFromConntrack: Diagnose = (journey, { chains, mapping }) => {
  if (journey.steps.some((step) => step.isNat && !step.isOwn)) return [];
  const at = journey.steps.findIndex((step) => step.changes.some(isByConntrack));
  const hooks = journey.steps.flatMap((step) => (step.hook === null ? [] : [step.hook]));
  const wouldAskNat = hooks.some((hook) => chains.hasNat(hook, journey.netns, journey.family));
  // Conntrack's own word is enough; a mapping that was seen on another packet is no proof that nat is asked here.
  if (at === -1 && (mapping === null || (mapping.shownBy !== null && !wouldAskNat))) return [];
  if (at === -1 && leftAsItCame(journey) !== -1) return [];
  return [
    {
      cause: "nat-from-conntrack",
      severity: "info",
      what: whatConntrackDid(journey, at, mapping),
      why: "nat chains are asked for the first packet of a connection only; this one is rewritten from conntrack in silence",
      try: conntrackQuery(journey),
      evidence: at === -1 ? [0] : [at],
      wouldBeWrongIf: "the nat chains saw it and their lines were lost",
    },
  ];
};

function whatConntrackDid(journey: Journey, at: number, mapping: Mapping | null): string {
  const packet = journey.first?.packet;
  const shown = witness(mapping);
  const step = journey.steps[at];
  if (step !== undefined) {
    const changes = step.changes.filter(isByConntrack);
    const isSource = changes.some((change) => change.field === "src" || change.field === "sport");
    const before = isSource
      ? endpoint(packet?.src ?? null, packet?.sport ?? null)
      : endpoint(packet?.dst ?? null, packet?.dport ?? null);
    const after = isSource ? changed(step, before, "src", "sport") : changed(step, before, "dst", "dport");
    return `${isSource ? "its source" : "its destination"} ${before} became ${after} without a nat chain${shown}`;
  }
  if (mapping?.direction === "reply") {
    const { original, translated } = mapping;
    const isSource = original.dst !== translated.dst || original.dport !== translated.dport;
    const before = isSource
      ? end(journey, translated.dst, translated.dport)
      : end(journey, translated.src, translated.sport);
    const after = isSource
      ? end(journey, original.dst, original.dport)
      : end(journey, original.src, original.sport);
    const side = isSource ? "source" : "destination";
    return `a reply: its ${side} ${before} goes back to ${after} without a nat chain${shown}, behind the last chain that was traced`;
  }
  const exactly = mapping === null ? "" : translations(journey, mapping);
  return `a later packet of a translated connection: no nat chain is asked${exactly}${shown}`;
}

function witness(mapping: Mapping | null): string {
  if (mapping === null) return "";
  return mapping.shownBy === null ? ", as conntrack has it" : `, as journey ${mapping.shownBy} shows`;
}

/** What becomes of a packet that goes the way of the first one. */
function translations(journey: Journey, { original, translated }: Mapping): string {
  const words: string[] = [];
  if (original.src !== translated.src || original.sport !== translated.sport) {
    const [from, to] = [original, translated].map(({ src, sport }) => end(journey, src, sport));
    words.push(`its source ${from} becomes ${to}`);
  }
  if (original.dst !== translated.dst || original.dport !== translated.dport) {
    const [from, to] = [original, translated].map(({ dst, dport }) => end(journey, dst, dport));
    words.push(`its destination ${from} becomes ${to}`);
  }
  return `; ${words.join(", ")}`;
}

/** The source as conntrack has it, where the trace ends before source NAT is seen. */
function exactSource(journey: Journey, mapping: Mapping | null): string | null {
  if (mapping === null || mapping.shownBy !== null || mapping.direction !== "original") return null;
  return end(journey, mapping.translated.src, mapping.translated.sport);
}

/** What stands for a port in a mapping is none where the packet has none. */
function end(journey: Journey, address: string, port: number): string {
  return endpoint(address, journey.first?.packet.sport == null ? null : port);
}

function isByConntrack(change: Change): boolean {
  return change.by === "conntrack";
}

/** What a nat rule of these kinds says about where to; null when this step is none. Empty text: the rule does not say. */
function natBy(step: Step, kinds: readonly Statement["kind"][]): string | null {
  if (step.kind !== "rule") return null;
  const statement = statementsOf(step.resolved, step.event)?.find((candidate) =>
    kinds.includes(candidate.kind),
  );
  if (statement !== undefined && "to" in statement) {
    if (statement.to !== null) return statement.to;
    return statement.kind === "masquerade" ? "the address of the interface it leaves by" : "this host";
  }
  const fields = kinds === DESTINATION ? ["dst", "dport"] : ["src", "sport"];
  return step.changes.some((change) => change.by === "rule" && fields.includes(change.field)) ? "" : null;
}

/** What was seen before and after it; `by` is what the rule says, which counts where the port was not seen behind it. */
function changed(
  step: Step,
  before: string,
  address: "src" | "dst",
  port: "sport" | "dport",
  by = "",
): string | null {
  const to = step.changes.find((change) => change.field === address);
  const toPort = step.changes.find((change) => change.field === port);
  if (to === undefined && toPort === undefined) return null;
  const packet = step.sighting?.packet;
  // On a step that a rule changed the sighting is from before it; on one that merely shows a change, from after.
  const newAddress = to === undefined ? (packet?.[address] ?? null) : String(to.to);
  const said = toPort === undefined && newAddress !== null ? portIn(by, newAddress) : null;
  const newPort = toPort === undefined ? (said ?? packet?.[port] ?? null) : Number(toPort.to);
  return before === "" ? null : endpoint(newAddress, newPort);
}

/** Null where the rule names another address, no port, or several. */
function portIn(to: string, address: string): number | null {
  const at = to.lastIndexOf(":");
  const isAddress = to.slice(0, at).replace(/^\[|\]$/g, "") === address;
  return isAddress && /^\d+$/.test(to.slice(at + 1)) ? Number(to.slice(at + 1)) : null;
}

function conntrackQuery(journey: Journey): string {
  const protocol = journey.first?.packet.protocol;
  return `conntrack -L${protocol === null || protocol === undefined ? "" : ` -p ${protocol}`}`;
}
