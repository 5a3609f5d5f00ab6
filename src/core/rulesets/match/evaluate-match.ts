/**
 * One condition of a rule against a packet, for iptables' words and nft's alike: the model's kinds are the same, their values
 * are written differently (`eth+` and `eth*`, `22,80` and `{ 22, 80 }`, `NEW` and `new`).
 *
 * nft's payload expressions bring a condition of their own: `tcp dport 22` is no match for a UDP packet, `ip saddr` none for an
 * IPv6 one.
 */
import { protocolNumber } from "../../packets/protocols.ts";
import type { Match } from "../ruleset.ts";
import { isInAddresses } from "./address-match.ts";
import { alternativesOf } from "./alternatives.ts";
import {
  type Answer,
  allOf,
  answer,
  anyOf,
  type Circumstances,
  type Holds,
  type MatchAnswer,
  negate,
  notKnown,
} from "./answer.ts";
import { evaluateConcatenation } from "./concatenation.ts";
import { isIcmpType } from "./icmp-match.ts";
import { isInterface } from "./interface-match.ts";
import { evaluateIpset } from "./ipset-match.ts";
import { isInNumbers, isMaskedNumber } from "./number-match.ts";
import { evaluateOpaque } from "./opaque-match.ts";
import { evaluateTcpFlags } from "./tcp-flags-match.ts";

export function evaluateMatch(match: Match, circumstances: Circumstances): MatchAnswer {
  const implied = impliedHeader(match, circumstances);
  // The kernel stops at the header that is not there: negation does not turn that round.
  if (implied !== null) return { match, ...implied };
  const found = positive(match, circumstances);
  return { match, ...(match.negated ? negate(found) : found) };
}

/** All conditions of a rule, in its order, and whether it matches as a whole. */
export function evaluateRule(
  matches: readonly Match[],
  circumstances: Circumstances,
): { readonly holds: Holds; readonly answers: readonly MatchAnswer[] } {
  const answers = matches.map((match) => evaluateMatch(match, circumstances));
  return { holds: allOf(answers.map(({ holds }) => holds)), answers };
}

const NO_PORTS = "it has no ports, or they were not shown";

function positive(match: Match, circumstances: Circumstances): Answer {
  const { sighting, mark } = circumstances;
  const { packet } = sighting;
  switch (match.kind) {
    case "comment":
      return answer(true, "a comment always holds");
    case "source":
      return address(match, circumstances, packet.src, "it came from");
    case "destination":
      return address(match, circumstances, packet.dst, "it goes to");
    case "in-interface":
    case "out-interface":
      return isInterface(match.kind === "in-interface" ? "in" : "out", match.value, circumstances);
    case "protocol":
      return oneOf(
        match,
        circumstances,
        packet.protocol,
        `it is ${packet.protocol ?? "of a protocol not shown"}`,
        isProtocol,
      );
    case "family":
      return answer(
        isFamily(packet.family, match.value),
        `it is ${packet.family === "ip6" ? "IPv6" : "IPv4"}`,
      );
    case "source-port":
      return port(match, circumstances, packet.sport, "its source port is");
    case "destination-port":
      return port(match, circumstances, packet.dport, "it goes to port");
    case "mark":
      if (mark === null) return notKnown("its mark was not told");
      return oneOf(match, circumstances, mark, `its mark is 0x${mark.toString(16)}`, isMaskedNumber);
    case "ct-state":
      return state(match, circumstances);
    case "ct-status":
      return status(match, circumstances);
    case "icmp-type": {
      const { icmp } = packet;
      if (icmp === null) return noHeader(packet.protocol, "icmp");
      return oneOf(match, circumstances, icmp, `its ICMP type is ${icmp.type ?? "not shown"}`, (one, text) =>
        isIcmpType(one, text, packet.family === "ip6"),
      );
    }
    case "tcp-flags":
      return packet.tcp === null ? noHeader(packet.protocol, "tcp") : evaluateTcpFlags(match, packet.tcp);
    case "fragment":
      if (packet.fragmentOffset === null) return notKnown("whether it is a fragment was not shown");
      return answer(
        packet.fragmentOffset > 0,
        packet.fragmentOffset > 0 ? "it is a later fragment" : "it is no later fragment",
      );
    case "address-type":
      return addressType(match, circumstances);
    case "opaque":
      return (
        evaluateConcatenation(match, circumstances, evaluateMatch) ??
        evaluateIpset(match, circumstances) ??
        evaluateOpaque(match, circumstances)
      );
  }
}

/** A value against all alternatives of a condition. */
function oneOf<Value>(
  match: Match,
  circumstances: Circumstances,
  seen: Value | null,
  words: string,
  test: (seen: Value, text: string) => Holds,
): Answer {
  if (seen === null) return notKnown(`${words}`);
  const isMasked = /^(&|and)\s/.test(match.value);
  const found = alternativesOf(match.value, circumstances, isMasked ? null : ",");
  if (found.kind === "not-known") return found.answer;
  const holds = anyOf(found.values.map((text) => test(seen, text)));
  if (holds === "not-known") return notKnown(`${words}; what ${match.value} stands for is not known here`);
  return {
    holds,
    words: found.set === null ? words : `${words}${inSet(found.set, holds, found.values.length)}`,
  };
}

function inSet(name: string, holds: Holds, size: number): string {
  if (holds === "matched") return `, which is in set ${name}`;
  return `, which was not among the ${size} of set ${name} when it was listed`;
}

function address(match: Match, circumstances: Circumstances, seen: string | null, verb: string): Answer {
  if (seen === null) return notKnown("the address was not shown");
  const masked = /^(?:&|and)\s+(\S+)\s+(==|!=)\s+(\S+)$/.exec(match.value);
  if (masked !== null) {
    const holds = isInAddresses(seen, `${masked[3]}/${masked[1]}`);
    const found: Answer = { holds, words: `${verb} ${seen}` };
    return masked[2] === "!=" ? negate(found) : found;
  }
  return oneOf(match, circumstances, seen, `${verb} ${seen}`, isInAddresses);
}

function port(match: Match, circumstances: Circumstances, seen: number | null, verb: string): Answer {
  const { packet } = circumstances.sighting;
  if (seen === null) {
    const isWithout = packet.protocol !== null && !/^(tcp|udp|sctp|dccp|udplite)$/.test(packet.protocol);
    return isWithout ? answer(false, `it is ${packet.protocol}, which has no ports`) : notKnown(NO_PORTS);
  }
  return oneOf(match, circumstances, seen, `${verb} ${seen}`, (one, text) =>
    isInNumbers(one, text, circumstances.portNumber),
  );
}

function isProtocol(seen: string, text: string): Holds {
  if (/^(all|any|0)$/i.test(text)) return "matched";
  const [a, b] = [protocolNumber(seen), protocolNumber(text)];
  if (b === null) return "not-known";
  return a === b ? "matched" : "failed";
}

function isFamily(family: string, text: string): boolean {
  return text
    .split(/[{},\s]+/)
    .some((word) => (family === "ip6" ? /^(ip6|ipv6)$/ : /^(ip|ipv4)$/).test(word));
}

/** Nat chains are asked for new and related packets alone, so a packet may have one of several states. */
function state(match: Match, { states }: Circumstances): Answer {
  if (states.length === 0)
    return notKnown("what conntrack called it was not told: conntrack -L, or a trace on Linux 6.16 or later");
  const wanted = match.value.toLowerCase().split(/[{},\s]+/);
  // SNAT and DNAT are states to iptables, and to conntrack flags beside the state.
  if (wanted.some((word) => word === "dnat" || word === "snat"))
    return notKnown("whether its connection is translated is not told by its state");
  const holds = states.map((one) => wanted.includes(one));
  const words = `conntrack calls it ${states.join(" or ")}`;
  if (holds.every((one) => one)) return answer(true, words);
  return holds.some((one) => one) ? notKnown(`${words}: which of them was not told`) : answer(false, words);
}

function status(match: Match, { conntrack }: Circumstances): Answer {
  if (conntrack === null || conntrack.status.length === 0)
    return notKnown("conntrack's status of its connection was not told");
  const wanted = match.value
    .toLowerCase()
    .split(/[{},\s|]+/)
    .map((word) => word.replace("_", "-"));
  const isSo = wanted.some((word) => conntrack.status.includes(word));
  return answer(isSo, `its connection is ${conntrack.status.join(", ")}`);
}

/** What an address is to the host only the host knows; what the hook shows of it is certain. */
function addressType(match: Match, { sighting, hook, addressType: typeOf }: Circumstances): Answer {
  const isSource = /src-type|saddr/.test(match.text);
  const { src, dst } = sighting.packet;
  const seen = isSource ? src : dst;
  if (seen === null) return notKnown("the address was not shown");
  const wanted = match.value.toLowerCase().split(/[{},\s]+/);
  const say = (type: string): Answer => answer(wanted.includes(type), `${seen} is ${type}`);
  const type = typeOf(seen);
  if (type !== null) return answer(wanted.includes(type), `${seen} is ${type} to this host`);
  if (/^127\.|^::1$/.test(seen)) return say("local");
  if (/^(22[4-9]|23\d)\.|^ff/i.test(seen)) return say("multicast");
  if (wanted.length === 1 && wanted[0] === "local" && !isSource && hook === "forward")
    return answer(false, `${seen} is another host's: it is being forwarded`);
  if (wanted.includes("local") && !isSource && hook === "input" && !/\.255$/.test(seen))
    return answer(true, `${seen} is this host's: it came to INPUT`);
  return notKnown(`what ${seen} is to the host is not told by a trace: ip route get ${seen}`);
}

function noHeader(protocol: string | null, wanted: string): Answer {
  if (protocol === null || protocol.startsWith(wanted)) return notKnown(`its ${wanted} header was not shown`);
  return answer(false, `it is ${protocol}, not ${wanted}`);
}

const TRANSPORTS = /^(?:! )?(tcp|udp|sctp|dccp|udplite|icmp|icmpv6|esp|ah) /;

/** The header that nft's expression reads; null where it is there, or the rule is iptables'. */
function impliedHeader({ text }: Match, { sighting }: Circumstances): Answer | null {
  if (text.startsWith("-") || text.startsWith("! -")) return null;
  const { packet } = sighting;
  const family = /^(ip6?) /.exec(text)?.[1];
  if (family !== undefined && family !== packet.family)
    return answer(false, `it is ${packet.family === "ip6" ? "IPv6" : "IPv4"}`);
  const transport = TRANSPORTS.exec(text)?.[1];
  if (transport === undefined || packet.protocol === null || packet.protocol === transport) return null;
  return answer(false, `it is ${packet.protocol}, not ${transport}`);
}
