/** The public shape of a journey, `nfpath/journey@1`: what `--format jsonl` and `json` print. Add to it, never change it. */
import { formatTime } from "../base/time.ts";
import type { Explained } from "../diagnosis/diagnose.ts";
import { routingWords } from "../diagnosis/routing-words.ts";
import type { Step } from "../journeys/journey.ts";

export const JOURNEY_SCHEMA = "nfpath/journey@1";

/** A plain object, ready for `JSON.stringify`. */
export function journeyContract(explained: Explained) {
  return {
    ...partContract(explained),
    /** Where it went on, in other namespaces, in the order of the way; `outcome` is then that of the last. */
    parts: explained.parts.map(partContract),
  };
}

/** What happened in one namespace. */
function partContract(explained: Explained) {
  const { journey, outcome, findings, answer, besides, routing, relations, outcomeHere } = explained;
  const packet = journey.first?.packet ?? null;
  return {
    schema: JOURNEY_SCHEMA,
    id: journey.id,
    first: journey.firstTime === null ? null : formatTime(journey.firstTime),
    clock: journey.firstTime?.clock ?? "none",
    netns: journey.netns,
    family: journey.family,
    packet: {
      src: packet?.src ?? null,
      dst: packet?.dst ?? null,
      protocol: packet?.protocol ?? null,
      sport: packet?.sport ?? null,
      dport: packet?.dport ?? null,
      length: packet?.length ?? null,
      ipId: packet?.ipId ?? null,
      ttl: packet?.ttl ?? null,
      in: journey.first?.in ?? null,
      out: journey.first?.out ?? null,
      tcpFlags: packet?.tcp?.flags ?? null,
      icmpType: packet?.icmp?.type ?? null,
      icmpCode: packet?.icmp?.code ?? null,
    },
    steps: journey.steps.map(stepContract),
    outcome: { verdict: outcome.verdict, cause: outcome.cause, out: outcome.out, missing: outcome.missing },
    /** What became of it in this namespace: the same, where it has no parts in others. */
    outcomeHere: {
      verdict: outcomeHere.verdict,
      cause: outcomeHere.cause,
      out: outcomeHere.out,
      missing: outcomeHere.missing,
    },
    findings: findings.map((finding) => ({
      cause: finding.cause,
      severity: finding.severity,
      what: finding.what,
      why: finding.why,
      try: finding.try,
      evidence: finding.evidence,
      wouldBeWrongIf: finding.wouldBeWrongIf,
      /** Who wrote the rule that it speaks of: the manager, what the rule is for, where it is changed. */
      origin: finding.origin ?? null,
    })),
    gaps: journey.gaps.map((gap) => ({ kind: gap.gap, count: gap.count, remedy: gap.remedy })),
    answeredBy: answer === null ? null : { id: answer.journey, afterNanos: answer.afterNanos },
    /** Each with the id of a journey, the reason (`by`), and the ids of others that it may be as well (`alike`). */
    continues: relations.continues,
    causedBy: relations.causedBy,
    answeredWith: relations.answeredWith,
    fragmentOf: relations.fragmentOf,
    fragments: relations.fragments,
    carriedBy: relations.carriedBy,
    unpackedFrom: relations.unpackedFrom,
    carries: relations.carries,
    copyOf: relations.copyOf,
    copies: relations.copies,
    conntrack: journey.conntrack,
    /** What a snapshot's routes say about it; empty where there is none. */
    routing: routing.map((note) => ({
      beforeStep: note.beforeStep,
      what: routingWords(note).text,
      ...note.decision,
      kernel: note.kernel,
    })),
    logs: journey.logs.map((log) => ({
      prefix: log.prefix,
      /** Of an NFLOG rule; null for the kernel log and for group 0. */
      nflogGroup: groupOf(log.origin.input),
      conntrack: log.conntrack,
      at: log.time === null ? null : formatTime(log.time),
    })),
    /** Frames at the interfaces, from a capture (`--wire`). */
    wire: besides.wire.map((frame) => ({
      direction: frame.direction,
      interface: frame.interface,
      source: frame.sighting.packet.link?.source ?? null,
      length: frame.sighting.packet.length,
      fragmentOffset: frame.sighting.packet.fragmentOffset,
      checksum: frame.checksum,
      at: frame.time === null ? null : formatTime(frame.time),
    })),
    /** The kernel's own word of a death (`--drops`). */
    drops: besides.drops.map((drop) => ({
      reason: drop.reason,
      function: drop.function,
      device: drop.device,
      at: drop.time === null ? null : formatTime(drop.time),
    })),
    joinedBy: journey.joinedBy,
    /** Journeys that some of its steps may belong to instead, and some of theirs to it. */
    alike: journey.alike,
  };
}

export type JourneyContract = ReturnType<typeof journeyContract>;

function groupOf(input: string): number | null {
  const group = /^nflog:(\d+)$/.exec(input);
  return group === null ? null : Number(group[1]);
}

function stepContract(step: Step) {
  const { event, resolved } = step;
  const isRule = step.kind === "rule";
  return {
    hook: step.hook,
    family: event.family,
    table: event.table,
    chain: event.chain,
    kind: step.kind,
    rule: isRule
      ? {
          number: resolved.rule?.number ?? event.number,
          handle: handleNumber(event.handle),
          text: resolved.rule?.text ?? event.ruleText,
          raw: event.origin.raw,
        }
      : null,
    /** As the trace prints it: for a policy or return of iptables, the number of rules plus one. */
    number: event.number,
    verdict: step.verdict,
    target: resolved.target,
    verdictBy: step.verdictBy,
    to: step.toChain,
    at: event.time === null ? null : formatTime(event.time),
    in: step.sighting?.in ?? null,
    out: step.sighting?.out ?? null,
    mark: step.sighting?.mark ?? event.mark,
    changes: step.changes.map(({ field, from, to, by }) => ({ field, from, to, by })),
    /** True for nfpath's own chains, which select and watch packets. */
    own: step.isOwn,
    note: resolved.note,
    line: event.origin.line,
    joinedBy: step.link,
    alike: step.alike,
  };
}

/** Handles are 64 bits; those that a JSON number cannot hold are printed as text. */
function handleNumber(handle: bigint | null): number | string | null {
  if (handle === null) return null;
  return handle <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(handle) : String(handle);
}
