/**
 * Headers that a rule rewrites outside of NAT: TTL and HL (`net/netfilter/xt_HL.c`), ECN (`net/ipv4/netfilter/ipt_ECN.c`), and nft's
 * `ip ttl set`, `ip daddr set`, `tcp flags set` (`net/netfilter/nft_payload.c`). The packet looks like another one behind it; the rule
 * that did it says that it is none. ip_tables tells of a rule before its target works, nf_tables when the whole rule has worked.
 */
import type { SightingEvent, StepEvent } from "../events/event.ts";
import type { Packet } from "../packets/packet.ts";
import { resolveStep } from "../rulesets/resolve.ts";
import type { RuleBook } from "../rulesets/rule-book.ts";
import { statementsOf } from "../rulesets/rule-statements.ts";
import type { Statement } from "../rulesets/ruleset.ts";
import type { OpenStep } from "./open-journey.ts";
import type { Place } from "./place.ts";
import { type Ids, isNumbered, type Likeness, likeness, ttlCanFollow } from "./same-packet.ts";

type Field = "ttl" | "tcpFlags" | "src" | "dst" | "sport" | "dport";

/** By a statement's name, in lower case. */
const REWRITERS: Readonly<Record<string, readonly Field[]>> = {
  ttl: ["ttl"],
  hl: ["ttl"],
  "ip ttl set": ["ttl"],
  "ip6 hoplimit set": ["ttl"],
  ecn: ["tcpFlags"],
  "tcp flags set": ["tcpFlags"],
  "ip saddr set": ["src"],
  "ip6 saddr set": ["src"],
  snpt: ["src"],
  "ip daddr set": ["dst"],
  "ip6 daddr set": ["dst"],
  dnpt: ["dst"],
  "tcp sport set": ["sport"],
  "udp sport set": ["sport"],
  "th sport set": ["sport"],
  "tcp dport set": ["dport"],
  "udp dport set": ["dport"],
  "th dport set": ["dport"],
};

/** Where nobody has the rule's text: what iptables' targets do in mangle, and what a rule of nft's may do. */
const BY_UNKNOWN_IN_MANGLE: readonly Field[] = ["ttl", "tcpFlags"];
const BY_UNKNOWN_OF_NFT: readonly Field[] = ["ttl", "tcpFlags", "src", "dst", "sport", "dport"];

interface Seen {
  readonly packet: Packet;
  readonly place: Place | null;
}

/** Whether it is worth to ask: the numbers that no rule changes agree, and something that one does differs. Cheap. */
export function mayBeRewritten(steps: readonly OpenStep[], before: Packet, now: Packet, ids: Ids): boolean {
  if (before.length !== now.length || before.ipId !== now.ipId || before.tcp?.seq !== now.tcp?.seq)
    return false;
  return (
    mayDifferInAddresses(steps, ids) ||
    !ttlCanFollow(before.ttl, now.ttl) ||
    before.tcp?.flags !== now.tcp?.flags
  );
}

/** A trace id says that they are one; or nft's rules have told of themselves alone since the headers were shown. */
function mayDifferInAddresses(steps: readonly OpenStep[], ids: Ids): boolean {
  return ids === "one" || (ids === "none" && steps.at(-1)?.sighting === null);
}

/**
 * How the headers agree but for what a rule in between rewrites; null where they do not, or no rule does that. Asked only when
 * the headers as they are do not agree.
 *
 * @param steps of the journey so far
 * @param event the step that is to be joined, or the headers that nft's text shows before it
 * @param ids `other`: trace ids say that they are two, so a rule must be known to have done it
 */
export function likenessBehindRules(
  steps: readonly OpenStep[],
  event: StepEvent | SightingEvent,
  before: Seen,
  now: Seen,
  ids: Ids,
  book: RuleBook,
): Likeness | null {
  const isCertain = isNumbered(now.packet) && ids !== "other";
  const isRewritten = (field: Field) => isDoneBetween(steps, event, field, isCertain, book);
  const like = (fields: readonly Field[]) =>
    likeness(asRewritten(before.packet, now.packet, fields), before.place, now.packet, now.place, ids);
  const numbers = differentNumbers(before.packet, now.packet);
  const found = numbers.length === 0 ? null : like(numbers);
  if (found !== null) return numbers.every(isRewritten) ? found : null;
  if (!mayDifferInAddresses(steps, ids)) return null;
  const fields = [...numbers, ...ADDRESSES.filter((field) => before.packet[field] !== now.packet[field])];
  return fields.length > 0 && like(fields) === "same" && fields.every(isRewritten) ? "same" : null;
}

function differentNumbers(before: Packet, now: Packet): readonly Field[] {
  const fields: Field[] = [];
  if (!ttlCanFollow(before.ttl, now.ttl)) fields.push("ttl");
  if (before.tcp !== null && now.tcp !== null && before.tcp.flags !== now.tcp.flags) fields.push("tcpFlags");
  return fields;
}

const ADDRESSES = ["src", "dst", "sport", "dport"] as const;

function asRewritten(before: Packet, now: Packet, fields: readonly Field[]): Packet {
  let packet = before;
  for (const field of fields) {
    if (field !== "tcpFlags") packet = { ...packet, [field]: now[field] };
    else if (packet.tcp !== null)
      packet = { ...packet, tcp: { ...packet.tcp, flags: now.tcp?.flags ?? null } };
  }
  return packet;
}

function isDoneBetween(
  steps: readonly OpenStep[],
  event: StepEvent | SightingEvent,
  field: Field,
  isCertain: boolean,
  book: RuleBook,
): boolean {
  if (event.kind === "sighting") {
    if (chainRewrites(event, field, isCertain, book)) return true;
  } else if (event.tracer === "nft" && rewrites(event, field, isCertain, book)) return true;
  for (let at = steps.length - 1; at >= 0; at--) {
    const step = steps[at] as OpenStep;
    if (rewrites(step.event, field, isCertain, book)) return true;
    if (step.sighting !== null) return false;
  }
  return false;
}

function rewrites(event: StepEvent, field: Field, isCertain: boolean, book: RuleBook): boolean {
  if (event.step !== "rule") return false;
  const resolved = resolveStep(event, book);
  const statements = statementsOf(resolved, event);
  if (statements !== null) return statements.some((statement) => rewritesField(statement, field));
  if (resolved.target !== null) return REWRITERS[resolved.target.toLowerCase()]?.includes(field) ?? false;
  if (!isCertain || resolved.toChain !== null) return false;
  if (event.tracer === "nft") return BY_UNKNOWN_OF_NFT.includes(field);
  return event.table === "mangle" && BY_UNKNOWN_IN_MANGLE.includes(field);
}

/** The first rule of the chain that matched comes next: which one it is, is not told yet. */
function chainRewrites(event: SightingEvent, field: Field, isCertain: boolean, book: RuleBook): boolean {
  const { family, netns, table, chain } = event;
  if (table === null || chain === null) return isCertain;
  const listed = book.findChain({ tracer: "nft", family, netns, table, chain });
  if (listed === null) return isCertain;
  return listed.chain.rules.some(({ statements }) =>
    statements.some((statement) => rewritesField(statement, field)),
  );
}

/** @param field as a change of a journey names it */
export function rewritesField(statement: Statement, field: string): boolean {
  if (statement.kind !== "pass" && statement.kind !== "opaque") return false;
  const fields: readonly string[] | undefined = REWRITERS[statement.name.toLowerCase()];
  return fields?.includes(field) ?? false;
}
