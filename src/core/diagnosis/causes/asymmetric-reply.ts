/**
 * The answer takes another way than the request, or comes back untranslated.
 *
 * Each host looks its own way up, so the way back need not be the way there. That alone is legal; but rp_filter drops it,
 * a stateful rule on the other way has never seen the request, and NAT is undone only by the conntrack that did it. Whoever
 * gets an answer from an address that they did not ask throws it away.
 */
import type { Journey } from "../../journeys/journey.ts";
import { trailOf } from "../../journeys/trail.ts";
import { WATCH_PRIORITY } from "../../plans/own-chains.ts";
import type { Diagnose } from "../cause.ts";
import { word } from "../commands.ts";
import type { Finding } from "../finding.ts";
import { endpoint, type OtherWay } from "../flows.ts";
import { isSame, tupleOf } from "../tuple.ts";

export const asymmetricReply: Diagnose = (journey, { request, mapping, otherWay }) => {
  if (otherWay !== null) return [throughAnotherHost(journey, otherWay)];
  const untranslated = mapping?.direction === "reply" ? stayedUntranslated(journey, mapping.shownBy) : null;
  if (untranslated !== null) return [untranslated];
  if (request === null) return [];
  const answer = trailOf(journey);
  return [
    ...byOtherInterface(journey, request.out, answer.in, request.id, "came in by"),
    ...byOtherInterface(journey, request.in, answer.out, request.id, "leaves by"),
  ].slice(0, 1);
};

function byOtherInterface(
  journey: Journey,
  there: readonly string[],
  back: readonly string[],
  request: string,
  verb: "came in by" | "leaves by",
): readonly Finding[] {
  // A bridge or VRF and its port are two names of one way: a single common name is enough.
  if (there.length === 0 || back.length === 0 || back.some((name) => there.includes(name))) return [];
  const [way, other] = [back.join(", "), there.join(", ")];
  const did = verb === "came in by" ? "left by" : "had come in by";
  const at = journey.steps.findIndex((step) => step.sighting !== null);
  const { src, dst } = journey.first?.packet ?? { src: null, dst: null };
  const lookup = (verb === "came in by" ? src : dst) ?? "ADDRESS";
  // IPv6 has no rp_filter setting: there a rule does it (`rpfilter`, `fib saddr . iif oif`).
  const settings = `sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.${word(way.split(",")[0] ?? "all")}.rp_filter`;
  return [
    {
      cause: "asymmetric-reply",
      severity: "warning",
      what: `an answer to ${request}, but it ${verb} ${way}, and the request ${did} ${other}`,
      why: "the way back is not the way there: strict rp_filter drops such packets, and a stateful firewall on one of the ways sees only half of the connection",
      try: journey.family === "ip6" ? `ip -6 route get ${lookup}` : `ip route get ${lookup}; ${settings}`,
      evidence: [Math.max(0, at)],
      wouldBeWrongIf: "both interfaces are ports of one bond, bridge or VRF",
    },
  ];
}

function throughAnotherHost(journey: Journey, { netns, journey: answer }: OtherWay): Finding {
  const dst = journey.last?.packet.dst ?? "ADDRESS";
  const src = journey.first?.packet.src ?? "ADDRESS";
  return {
    cause: "asymmetric-reply",
    severity: "warning",
    what: `its answer (${answer}) came through ${netns}, which has not seen this packet, and not back through here`,
    why: "the way back is not the way there: the firewall on the way back has not seen the question, and a stateful rule of its calls the answer invalid",
    try: `on ${dst}: ip ${journey.family === "ip6" ? "-6 " : ""}route get ${src}  # it should lead back through here`,
    evidence: [Math.max(0, journey.steps.length - 1)],
    wouldBeWrongIf: `the packet in ${netns} belongs to another connection with the same addresses and ports`,
  };
}

/** The step, behind the last place where NAT is done, that shows it with the addresses and ports that it came with; -1: none does. */
export function leftAsItCame(journey: Journey): number {
  const came = tupleOf(journey.first?.packet ?? null);
  if (came === null) return -1;
  return journey.steps.findIndex(({ hook, priority, sighting }, index) => {
    if (hook !== "postrouting" || priority === null || priority < WATCH_PRIORITY) return false;
    // A sighting of its own, and not one carried on from before NAT.
    if (sighting === journey.steps[index - 1]?.sighting) return false;
    const tuple = tupleOf(sighting?.packet ?? null);
    return tuple !== null && isSame(tuple, came);
  });
}

/** Conntrack does not know it, or it was still untranslated behind the last place where that is undone. */
function stayedUntranslated(journey: Journey, shownBy: string | null): Finding | null {
  const state = journey.conntrack?.state ?? null;
  const isUnknown = state === "invalid" || state === "untracked";
  const at = leftAsItCame(journey);
  if (!isUnknown && at === -1) return null;
  const packet = journey.first?.packet;
  const from = endpoint(packet?.src ?? null, packet?.sport ?? null);
  const whose = shownBy === null ? "conntrack has a translation for it" : `journey ${shownBy} was translated`;
  return {
    cause: "asymmetric-reply",
    severity: "warning",
    what: `an answer that was not translated back: it goes on from ${from}, which its receiver never asked`,
    why: `${whose}${isUnknown ? `, and conntrack calls this packet ${state}` : ""}; the receiver throws such an answer away`,
    try: `conntrack -L -s ${packet?.dst ?? "ADDRESS"}; does the way back lead through the host that translated?`,
    evidence: [at === -1 ? 0 : at],
    wouldBeWrongIf: "it belongs to another connection with the same addresses and ports",
  };
}
