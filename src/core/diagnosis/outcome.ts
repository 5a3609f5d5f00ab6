/**
 * What became of the packet.
 *
 * A drop says so itself. An accepted packet is followed: the next chain that should have seen it did, or the way ends
 * here, or it vanished between two hooks, where routing is.
 */
import type { Besides } from "../journeys/besides.ts";
import type { Journey, Step } from "../journeys/journey.ts";
import { changeOf } from "../journeys/rule-changes.ts";
import type { PacketFamily } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";
import { isFragment } from "../packets/packet.ts";
import { asksForState, isCalled } from "./conntrack-states.ts";
import type { CauseCode } from "./finding.ts";
import type { KnownChain, KnownChains } from "./known-chains.ts";
import { wordsOfHole } from "./log-holes.ts";

export type OutcomeVerdict =
  | "delivered"
  | "forwarded"
  | "sent"
  | "dropped"
  | "rejected"
  | "vanished"
  | "queued"
  | "unknown";

export interface Outcome {
  readonly verdict: OutcomeVerdict;
  /** The finding that explains it; null where none does. */
  readonly cause: CauseCode | null;
  /** Interface it left by; null where it did not leave. */
  readonly out: string | null;
  /** For `vanished` and `unknown`: what is missing, in words. */
  readonly missing: string | null;
  /** Chains that should have reported the packet and did not. */
  readonly silent: readonly KnownChain[];
}

/** @param isAnswered somebody answered this packet: so it got where it was going, whatever its trace lacks */
export function outcomeOf(journey: Journey, chains: KnownChains, isAnswered: boolean): Outcome {
  const followed = followTrace(journey, chains);
  if (!isAnswered || (followed.verdict !== "unknown" && followed.verdict !== "vanished")) return followed;
  const hook = lastHook(journey);
  return hook === null ? followed : (arrivedFrom(hook, journey) ?? followed);
}

function followTrace(journey: Journey, chains: KnownChains): Outcome {
  const last = journey.steps.at(-1);
  if (last === undefined) return unknown("only its headers were shown, no chain");
  switch (last.verdict) {
    case "drop":
      return {
        ...ended("dropped"),
        cause: last.kind === "policy" ? "policy-drop" : causeOfRule(journey, "rule-drop"),
      };
    case "reject":
      return { ...ended("rejected"), cause: causeOfRule(journey, "rule-reject") };
    case "queue":
      return ended("queued");
    case "stolen":
      return ended("queued");
    case null:
      return afterSilentRule(journey, last, chains);
    case "accept":
      return follow(journey, chains);
    default:
      return afterMidway(journey, last, chains);
  }
}

/** A rule that drops what conntrack calls INVALID was written for many packets: what is wrong with this one is the question. */
function causeOfRule(journey: Journey, otherwise: CauseCode): CauseCode {
  const isForInvalid = asksForState(journey, journey.steps.length - 1) && isCalled(journey, "invalid");
  return isForInvalid ? "conntrack-invalid" : otherwise;
}

/**
 * A packet that no chain saw and that left all the same: a bridge passes frames on beneath every chain of IP. Null where
 * no capture tells so.
 */
export function carriedBeneath(journey: Journey, { wire }: Besides): Outcome | null {
  if (journey.steps.length > 0) return null;
  const out = wire.findLast(({ direction }) => direction === "out") ?? null;
  const came = wire.some((frame) => frame.direction !== "out" && frame.interface !== out?.interface);
  return out === null || !came ? null : { ...ended("forwarded"), out: out.interface };
}

function ended(verdict: OutcomeVerdict): Outcome {
  return { verdict, cause: null, out: null, missing: null, silent: [] };
}

function unknown(missing: string): Outcome {
  return { ...ended("unknown"), missing };
}

/** The source does not say what its last rule or policy decided, and no ruleset does. */
function afterSilentRule(journey: Journey, last: Step, chains: KnownChains): Outcome {
  // Only filter tables are given a DROP policy in practice; elsewhere the way on is the better witness.
  if (last.kind === "policy" && last.event.table !== "filter") return follow(journey, chains);
  // iptables refuses DROP in the nat table (`iptables/iptables.c`: "not intended for filtering").
  if (last.event.table === "nat") return follow(journey, chains);
  const what = last.kind === "policy" ? "the policy" : `rule ${last.event.number ?? ""}`.trim();
  const silent = stillToCome(journey, chains);
  const outcome = unknown(
    `the last that was seen is ${what} of ${last.event.table}:${last.event.chain}, and no listing tells what it does`,
  );
  return { ...outcome, cause: "rules-missing", silent };
}

/** The last step is a jump, a mark, a log: something must have come after it. */
function afterMidway(journey: Journey, last: Step, chains: KnownChains): Outcome {
  const outcome = unknown(`the evidence ends in the middle of ${last.event.table}:${last.event.chain}`);
  return { ...outcome, silent: stillToCome(journey, chains) };
}

function follow(journey: Journey, chains: KnownChains): Outcome {
  const silent = stillToCome(journey, chains);
  const hook = lastHook(journey);
  if (hook === null) return unknown("the hook of its last chain is not known");
  if (wasTakenByDefragmentation(journey))
    return unknown("it is a fragment: defragmentation took it, and the whole packet is a journey of its own");
  if (isHandedUp(journey))
    return unknown("the bridge handed it to this host, and no chain of the IP families tells more");
  if (silent.length > 0) {
    if (journey.gaps.length > 0) return { ...unknown(lossWords(journey)), cause: "gap", silent };
    if (silent.every((chain) => mayBeGone(chain, journey)))
      return {
        ...unknown(
          `no chain at ${hookNames(silent)} saw it, and their tables were changed after they were listed`,
        ),
        cause: "rules-changed",
        silent,
      };
    return { ...ended("vanished"), missing: `no chain at ${hookNames(silent)} saw it`, silent };
  }
  // Behind an unknown interface there may be PREROUTING: a packet over the loopback comes back.
  if (journey.gaps.length > 0 && hook === "postrouting" && lastOut(journey) === null)
    return { ...unknown(lossWords(journey)), cause: "gap" };
  return arrivedFrom(hook, journey) ?? unknown("no chain behind PREROUTING is known that would have seen it");
}

function lossWords({ gaps }: Journey): string {
  const [first] = gaps;
  return first !== undefined && gaps.every(({ gap }) => gap === "lines-missing")
    ? wordsOfHole(first)
    : "events were lost while it was under way";
}

/** What became of a packet that the last chain of a hook let go; null where routing is still to come. */
function arrivedFrom(hook: Hook, journey: Journey): Outcome | null {
  const out = lastOut(journey);
  switch (hook) {
    case "input":
      return ended("delivered");
    case "forward":
      return { ...ended("forwarded"), out };
    case "output":
      return { ...ended("sent"), out };
    case "postrouting":
    case "egress":
      return { ...ended(cameIn(journey) ? "forwarded" : "sent"), out };
    case "prerouting":
    case "ingress":
      return null;
  }
}

/** Conntrack's defragmentation, at -400, keeps fragments until the last has come. */
export function wasTakenByDefragmentation({ steps }: Journey): boolean {
  return steps.every(({ priority, sighting }) => {
    if (priority === null || priority >= DEFRAGMENTATION) return false;
    const packet = sighting?.packet;
    return packet !== undefined && isFragment(packet);
  });
}

const DEFRAGMENTATION = -400;

/** A bridge's input is the beginning of the way of an IP packet to this host, and the end of that of ARP. */
function isHandedUp({ steps }: Journey): boolean {
  const last = steps.at(-1);
  return last?.event.family === "bridge" && last.hook === "input";
}

/** The chains that must still report a packet which its last chain let through. */
function stillToCome(journey: Journey, chains: KnownChains): readonly KnownChain[] {
  const hook = lastHook(journey);
  const family = journey.steps.findLast((step) => step.hook !== null)?.event.family;
  if (hook === null || family === "bridge" || family === "netdev" || family === "arp") return [];
  const { netns } = journey;
  const priority =
    journey.steps.findLast((step) => step.hook === hook && step.priority !== null)?.priority ?? null;
  const here =
    priority === null ? [] : notYetSeen(journey, hook, chains.at(hook, netns, journey.family, priority));
  if (here.length > 0) return here;
  return nextHooks(journey, hook, chains, journey.family);
}

function nextHooks(
  journey: Journey,
  hook: Hook,
  chains: KnownChains,
  family: PacketFamily,
): readonly KnownChain[] {
  const at = (next: Hook) => chains.at(next, journey.netns, family);
  switch (hook) {
    case "prerouting": {
      const input = at("input");
      const forward = at("forward");
      // One of the two is enough for the packet, so both must be known to be listening.
      return input.length > 0 && forward.length > 0 ? [...forward, ...input] : [];
    }
    case "forward":
      return at("postrouting");
    case "output": {
      const postrouting = at("postrouting");
      return postrouting.length === 0 && lastOut(journey) === "lo" ? at("prerouting") : postrouting;
    }
    case "postrouting":
      return lastOut(journey) === "lo" ? at("prerouting") : [];
    default:
      return [];
  }
}

/** Two base chains of one priority run in the order of registration, so only those behind are surely still to come. */
function notYetSeen(journey: Journey, hook: Hook, listening: readonly KnownChain[]): readonly KnownChain[] {
  return listening.filter(
    (chain) =>
      !journey.steps.some(
        (step) =>
          step.hook === hook &&
          step.event.tracer === chain.tracer &&
          step.event.table === chain.table &&
          step.event.chain === chain.chain,
      ),
  );
}

function lastHook(journey: Journey): Hook | null {
  return journey.steps.findLast((step) => step.hook !== null)?.hook ?? null;
}

function lastOut(journey: Journey): string | null {
  return journey.steps.findLast((step) => step.sighting?.out != null)?.sighting?.out ?? null;
}

/** Packets that the kernel makes itself can name an incoming interface at POSTROUTING; the first hook does not lie. */
function cameIn(journey: Journey): boolean {
  const hooks = new Set(journey.steps.map((step) => step.hook));
  if (hooks.has("output")) return false;
  if (hooks.has("prerouting") || hooks.has("forward") || hooks.has("ingress")) return true;
  return journey.steps.some((step) => step.sighting?.in != null || step.sighting?.physIn != null);
}

/** A chain that is silent because somebody has deleted it. Legacy tables do not tell of that. */
function mayBeGone(chain: KnownChain, journey: Journey): boolean {
  return chain.tracer === "nft" && changeOf(journey.rulesChanged, chain.family, chain.table) !== null;
}

function hookNames(chains: readonly KnownChain[]): string {
  return [...new Set(chains.map((chain) => chain.hook.toUpperCase()))].join(" or ");
}
