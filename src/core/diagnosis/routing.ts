/**
 * What the snapshot's routes say about a packet where the kernel asks them: behind PREROUTING for what comes in, before OUTPUT
 * for what is made here, and behind it once more where OUTPUT has changed it. The packet is taken as it was then, DNAT and marks included.
 */
import { depart } from "../hosts/departure.ts";
import type { HostSnapshot } from "../hosts/host.ts";
import { type Reception, receive } from "../hosts/reception.ts";
import { lookUpRoute, type RouteAnswer, type RouteQuestion } from "../hosts/route-lookup.ts";
import { mustBeOnInterface } from "../hosts/route-table.ts";
import { partsOfVrf, vrfOf } from "../hosts/vrf.ts";
import type { Journey, Step } from "../journeys/journey.ts";
import type { Hook } from "../netfilter/hook.ts";
import { contains } from "../packets/prefix.ts";
import { wasTakenByDefragmentation } from "./outcome.ts";
import { routedAgain } from "./routed-again.ts";

export interface RoutingNote {
  /** The first step behind the decision, as an index; null where the packet was not seen again. */
  readonly beforeStep: number | null;
  readonly question: RouteQuestion;
  /** `ip route get` takes the question. It makes no packet from an address that the host has not, as a REJECT does. */
  readonly isAskable: boolean;
  readonly decision: Decision;
  /** What `ip route get` says of the same packet, on a host that could be asked; null where nobody asked. */
  readonly kernel: KernelWord | null;
}

export type Decision =
  | { readonly at: "reception"; readonly reception: Reception }
  | { readonly at: "departure"; readonly answer: RouteAnswer };

export interface KernelWord {
  readonly agrees: boolean;
  /** As `ip route get` has it, or its error. */
  readonly words: string;
}

/** What was decided about a packet that came in, by the last of these notes; null where nobody knows. */
export function receptionOf(notes: readonly RoutingNote[]): Reception | null {
  const decision = notes.at(-1)?.decision ?? null;
  return decision?.at === "reception" ? decision.reception : null;
}

/** @param hasNat whether any nat chain is known in the packet's namespace: without one nothing is translated */
export function routingOf(
  journey: Journey,
  host: HostSnapshot | null,
  hasNat: boolean,
): readonly RoutingNote[] {
  if (host === null || (journey.family !== "ip" && journey.family !== "ip6")) return [];
  // It is the whole packet that is routed.
  if (wasTakenByDefragmentation(journey)) return [];
  const { steps } = journey;
  const notes: RoutingNote[] = [];
  let from = 0;
  for (let at = 1; at <= steps.length; at++) {
    if (at < steps.length && steps[at]?.hop === steps[at - 1]?.hop) continue;
    const hop = steps.slice(from, at);
    const next = at < steps.length ? at : null;
    const note = noteOf(hop, from, next, journey, host, hasNat);
    if (note !== null) notes.push(note);
    const again = noteOfSecond(hop, from, next, journey, host);
    if (again !== null) notes.push(again);
    from = at;
  }
  return notes;
}

/** Behind PREROUTING, and before OUTPUT. */
function noteOf(
  hop: readonly Step[],
  from: number,
  next: number | null,
  journey: Journey,
  host: HostSnapshot,
  hasNat: boolean,
): RoutingNote | null {
  const hook = hop[0]?.hook ?? null;
  const { steps } = journey;
  if (hook === "output" && !cameBefore(steps, from, "output")) {
    const seen = hop.find(({ sighting }) => sighting !== null) ?? null;
    const question = questionOf(seen, null);
    return question === null ? null : departureOf(question, seen?.sighting?.out ?? null, from, host);
  }
  if (hook !== "prerouting" || hop.at(-1)?.verdict === "drop" || hop.at(-1)?.verdict === "reject")
    return null;
  const inside = hop.find(({ sighting }) => sighting?.in != null)?.sighting?.in ?? null;
  // Loopback's packets keep the route that they were sent by, whether or not they were seen being sent.
  if (inside === "lo" || cameBefore(steps, from, "output") || cameBefore(steps, from, "postrouting"))
    return null;
  const behind = next === null ? null : (steps[next] ?? null);
  if (
    behind !== null &&
    behind.hook !== "input" &&
    behind.hook !== "forward" &&
    behind.hook !== "postrouting"
  )
    return null;
  // A packet that a bridge carries is routed only if it is for the bridge itself.
  if (hop.some(({ sighting }) => sighting?.physIn != null && behind?.sighting?.physOut != null)) return null;
  const last = hop.findLast(({ sighting }) => sighting !== null) ?? null;
  // Not seen again, and perhaps translated since: to where it went, nobody knows.
  if (behind === null && hasNat && mayBeTranslatedYet(hop)) return null;
  const seen = behind?.sighting != null ? behind : last;
  const question = questionOf(seen, inside, markOf(hop), last);
  if (question === null || inside === null) return null;
  const [first, ...more] = cameBy(question, inside, steps, host).map((one) => ({
    asked: one,
    reception: receive(host, one),
  }));
  if (first === undefined) return null;
  const isClear = more.every(
    ({ reception }) => JSON.stringify(reception) === JSON.stringify(first.reception),
  );
  const reception: Reception = isClear
    ? first.reception
    : { kind: "not-known", why: `it depends on the interface of VRF ${inside} that it came in by` };
  const { asked } = first;
  const decided =
    reception.kind === "not-known" && behind !== null ? asSeen(host, asked, reception) : reception;
  return {
    beforeStep: next,
    question: asked,
    isAskable: true,
    decision: { at: "reception", reception: decided },
    kernel: null,
  };
}

/**
 * The question for each interface that it may have come in by. Netfilter shows a VRF's packet at PREROUTING twice, by its interface
 * and by the VRF; IPv4 routes it by the first (`ip_rcv_finish`), IPv6 by the second (`ip6_route_input`).
 */
function cameBy(
  question: RouteQuestion,
  inside: string,
  steps: readonly Step[],
  host: HostSnapshot,
): readonly RouteQuestion[] {
  const vrf = vrfOf(host, inside);
  if (vrf === null || vrf === "not-known") return [question];
  if (question.family === "ip6" && !mustBeOnInterface(question.dst)) return [{ ...question, in: vrf.name }];
  if (inside !== vrf.name) return [question];
  const parts = partsOfVrf(host, vrf.name).map(({ name }) => name);
  const seen = parts.filter((name) => steps.some(({ sighting }) => sighting?.in === name));
  const possible = seen.length > 0 ? seen : parts;
  return possible.length === 0 ? [question] : possible.map((name) => ({ ...question, in: name }));
}

/** Behind OUTPUT, where a chain has changed what routing goes by. */
function noteOfSecond(
  hop: readonly Step[],
  from: number,
  next: number | null,
  { steps }: Journey,
  host: HostSnapshot,
): RoutingNote | null {
  if (hop[0]?.hook !== "output" || cameBefore(steps, from, "output")) return null;
  if (hop.at(-1)?.verdict === "drop" || hop.at(-1)?.verdict === "reject") return null;
  const behind = next === null ? null : (steps[next] ?? null);
  const again = routedAgain(hop, behind);
  const question = again === null ? null : questionOf(again.seen, null, again.mark);
  if (again === null || question === null) return null;
  const out = behind?.hook === "postrouting" ? (behind.sighting?.out ?? null) : null;
  // IPv4 leaves the owner out, which counts as root's; a VRF stays the packet's.
  const before = hop.find(({ sighting }) => sighting !== null)?.sighting?.out ?? null;
  const vrf = vrfOf(host, before);
  const asked = {
    ...question,
    uid: question.family === "ip" ? 0 : question.uid,
    ...(vrf === null || vrf === "not-known" ? {} : { vrf: vrf.name }),
  };
  const answer = depart(host, asked);
  const note: RoutingNote = {
    beforeStep: next,
    question: asked,
    isAskable: isOwn(host, asked) && asked.vrf === undefined,
    decision: { at: "departure", answer },
    kernel: null,
  };
  return again.isCertain || (out !== null && leadsTo(note, out)) ? note : null;
}

/** It was seen behind routing, so it passed whatever check could not be computed: its route may be known all the same. */
function asSeen(host: HostSnapshot, question: RouteQuestion, unknown: Reception): Reception {
  // Groups are joined, not routed to.
  if (question.family === "ip" && contains("ip", "224.0.0.0/4", question.dst)) return unknown;
  const route = lookUpRoute(host, { ...question, out: null, uid: 0 });
  if (route.kind !== "routed") return unknown;
  return route.type === "unicast"
    ? { kind: "forward", route, source: null }
    : { kind: "local", route, source: null };
}

/**
 * A socket that has no address yet is routed without one and gets its source from the route, so policy rules by source did
 * not count: of the two answers, the one that agrees with where the packet went.
 */
function departureOf(
  question: RouteQuestion,
  out: string | null,
  beforeStep: number,
  host: HostSnapshot,
): RoutingNote {
  const isAskable = isOwn(host, question);
  const noteOf = (asked: RouteQuestion): RoutingNote => {
    const answer = depart(host, asked);
    return { beforeStep, question: asked, isAskable, decision: { at: "departure", answer }, kernel: null };
  };
  const vrf = vrfOf(host, out);
  // What leaves by a VRF is of a socket that is bound to it, or to one of its interfaces.
  const bound = vrf === null || vrf === "not-known" ? question : { ...question, out: vrf.name };
  const note = noteOf(bound);
  if (out === null || leadsTo(note, out)) return note;
  const unbound = noteOf({ ...bound, src: null });
  return leadsTo(unbound, out) ? unbound : note;
}

function isOwn({ addresses }: HostSnapshot, { src }: RouteQuestion): boolean {
  return src === null || (addresses ?? []).some(({ address }) => address === src) || src.startsWith("127.");
}

/** A packet of a VRF is shown to leave by the VRF's own device first. */
function leadsTo({ decision, question }: RoutingNote, out: string): boolean {
  if (decision.at !== "departure" || decision.answer.kind !== "routed") return false;
  const { type, ways } = decision.answer;
  if (question.out === out && ways.length > 0) return true;
  return type === "local" ? out === "lo" : ways.some(({ dev }) => dev === out);
}

/** DNAT happens at priority -100. A first packet that met no rule of a nat chain is not translated. */
function mayBeTranslatedYet(hop: readonly Step[]): boolean {
  const last = hop.at(-1);
  if (last === undefined || last.priority === null || last.priority > NAT_DST) return last?.priority === null;
  return !(last.isNat && last.kind === "policy");
}

const NAT_DST = -100;

function cameBefore(steps: readonly Step[], before: number, hook: Hook): boolean {
  return steps.slice(0, before).some((step) => step.hook === hook);
}

/** The mark that the hop left it with; 0 where the source leaves that out. */
function markOf(hop: readonly Step[]): number | null {
  const told = hop.findLast(({ sighting, event }) => (sighting?.mark ?? event.mark) !== null);
  if (told !== undefined) return told.sighting?.mark ?? told.event.mark;
  return hop.some(({ event }) => event.tracer === "xtables") ? 0 : null;
}

/**
 * @param seen where the packet looks as it did to routing
 * @param original the packet before it was counted down or given to others: its TOS
 */
function questionOf(
  seen: Step | null,
  inside: string | null,
  mark: number | null = seen === null ? null : markOf([seen]),
  original: Step | null = seen,
): RouteQuestion | null {
  const packet = seen?.sighting?.packet;
  if (packet === undefined || packet === null || packet.dst === null) return null;
  if (packet.family !== "ip" && packet.family !== "ip6") return null;
  return {
    family: packet.family,
    dst: packet.dst,
    src: packet.src,
    in: inside,
    out: null,
    mark: mark ?? 0,
    tos: original?.sighting?.packet.tos ?? packet.tos,
    protocol: packet.protocol,
    sport: packet.sport,
    dport: packet.dport,
    uid: seen?.sighting?.uid ?? null,
  };
}
