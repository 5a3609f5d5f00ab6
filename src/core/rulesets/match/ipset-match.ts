/**
 * `-m set --match-set NAME src,dst` against a set as it was listed (`net/netfilter/ipset`).
 *
 * Each part of the set's type is compared with the packet's source or destination, whichever the rule says for that part. Of the
 * networks that fit, the kernel takes the most specific and lets that decide, an exception (`nomatch`) included.
 */
import { protocolNumber } from "../../packets/protocols.ts";
import type { Ipset, IpsetElement } from "../ipsets/ipset.ts";
import type { IndexedIpset } from "../ipsets/ipset-book.ts";
import type { Match } from "../ruleset.ts";
import { isInAddresses } from "./address-match.ts";
import { type Answer, allOf, anyOf, type Circumstances, type Holds, negate, notKnown } from "./answer.ts";
import { isIcmpType } from "./icmp-match.ts";
import { isInNumbers, isMaskedNumber } from "./number-match.ts";

type Side = "src" | "dst";

/** Null: the condition asks for no ipset. */
export function evaluateIpset(match: Match, circumstances: Circumstances): Answer | null {
  const [, not, name, sides, options = ""] = MATCH_SET.exec(match.value) ?? [];
  if (name === undefined || sides === undefined) return null;
  const found = evaluate(name, sides.split(",") as Side[], options, circumstances);
  // Where options follow, the sign is one of the condition's words.
  return not === undefined || match.negated ? found : negate(found);
}

const MATCH_SET =
  /^(?:set )?(! )?(?:--)?match-set (\S+) ((?:src|dst)(?:,(?:src|dst))*)((?: (?:! )?--[a-z-]+(?: \d+)?| return-nomatch)*)$/;

function evaluate(
  name: string,
  sides: readonly Side[],
  options: string,
  circumstances: Circumstances,
): Answer {
  const book = circumstances.ipsets;
  if (book === null)
    return notKnown(
      `what is in ipset ${name} was not listed: ipset save ${name}, or a snapshot made as root`,
    );
  const set = book.get(name);
  if (set === null) return notKnown(`ipset ${name} is not among those that were listed: ipset save ${name}`);
  const found = isIn(set, sides, options.includes("return-nomatch"), circumstances);
  // Counters are as they were when it was listed.
  const holds = /--(packets|bytes)-/.test(options) ? allOf([found.holds, "not-known"]) : found.holds;
  const own = typesOf(set.set).map((type, at) => shown(type, sides[at] ?? "src", circumstances));
  const what = own.length === 0 ? "it" : own.join(",");
  if (holds === "not-known") {
    const why = found.why === null ? "" : ` (${found.why})`;
    return notKnown(`whether ${what} is in ipset ${name} is not known here${why}: ipset test ${name} …`);
  }
  return { holds, words: `${what} ${verdictWords(set.set, found)}` };
}

interface Found {
  readonly holds: Holds;
  /** The element that decided; null for none. */
  readonly element: IpsetElement | null;
  /** Why it cannot be told, or why nothing can be in it for such a packet. */
  readonly why: string | null;
  /** For a `list:set`, the set that has it. */
  readonly within: string | null;
}

const NOT_IN: Found = { holds: "failed", element: null, why: null, within: null };

function unknown(why: string | null): Found {
  return { holds: "not-known", element: null, why, within: null };
}

function verdictWords(set: Ipset, { holds, element, why, within }: Found): string {
  const { name, elements } = set;
  if (why !== null) return `cannot be in ipset ${name}: ${why}`;
  const inside = within === null ? "" : ` of set ${within}`;
  if (element === null) return `was not among the ${elements.length} of ipset ${name} when it was listed`;
  const text = `${element.text}${inside} of ipset ${name}`;
  if (element.isExcepted) return `is an exception, ${text} (nomatch)`;
  if (holds === "failed") return `is no exception (--return-nomatch), by ${text}`;
  const ends = element.timeout === null ? "" : `, for ${element.timeout} s from then`;
  return `was in ipset ${name} when it was listed, by ${element.text}${inside}${ends}`;
}

/** Types that nfpath compares, by their parts. */
const PARTS: ReadonlySet<string> = new Set(["ip", "net", "port", "iface", "mark", "mac"]);

function typesOf({ type }: Ipset): readonly string[] {
  return type === null || type === "list:set" ? [] : (type.split(":")[1] ?? "").split(",");
}

function isIn(
  indexed: IndexedIpset,
  sides: readonly Side[],
  isReturning: boolean,
  circumstances: Circumstances,
): Found {
  const { set } = indexed;
  if (set.type === null) return unknown("its type was not listed");
  if (set.type === "list:set") return isInList(set, sides, isReturning, circumstances);
  const types = typesOf(set);
  if (!types.every((type) => PARTS.has(type))) return unknown(`sets of type ${set.type} are not understood`);
  const { packet } = circumstances.sighting;
  if (sides.length < types.length)
    return {
      ...NOT_IN,
      why: `its type ${set.type} has ${types.length} parts, and the rule names ${sides.length}`,
    };
  if (set.family !== null && packet.family !== set.family)
    return { ...NOT_IN, why: `it is ${packet.family === "ip6" ? "IPv6" : "IPv4"}` };
  if (types.includes("port") && (packet.fragmentOffset ?? 0) > 0)
    return { ...NOT_IN, why: "a later fragment has no ports" };
  const first = types[0] === "ip" || types[0] === "net" ? addressOf(sides[0] ?? "src", circumstances) : null;
  const found = indexed.candidates(first);
  const tried = (types.includes("iface") ? ofBestNetwork(set, found, types, sides, circumstances) : found)
    .map((element) => ({ element, holds: fits(set, element, types, sides, circumstances) }))
    .filter(({ holds }) => holds !== "failed");
  // Exceptions and timeouts play no part where nothing fits.
  if (tried.length === 0) return set.unreadCount > 0 ? unknown("some of its elements were not read") : NOT_IN;
  const ordered = tried.toSorted((a, b) => moreSpecific(a.element, b.element, types));
  const best = ordered[0] as (typeof ordered)[number];
  const equal = ordered.filter((other) => moreSpecific(other.element, best.element, types) === 0);
  const isDecided = equal.every(
    ({ element, holds }) => holds === "matched" && element.isExcepted === best.element.isExcepted,
  );
  const isUnanimous =
    ordered.some(({ holds }) => holds === "matched") &&
    ordered.every(({ element }) => element.isExcepted === best.element.isExcepted);
  if (!isDecided && !isUnanimous) return unknown(null);
  // Types without networks know no exceptions, and leave `--return-nomatch` aside.
  const isMember = best.element.isExcepted === (isReturning && types.includes("net"));
  return { holds: isMember ? "matched" : "failed", element: best.element, why: null, within: null };
}

/**
 * Of `hash:net,iface` the kernel looks at the most specific network alone that has the address by whatever interface
 * (`mtype_test_cidrs` stops there). Bridge ports are looked at where the rule asks for them, and iptables has no word for that.
 */
function ofBestNetwork(
  set: Ipset,
  elements: readonly IpsetElement[],
  types: readonly string[],
  sides: readonly Side[],
  circumstances: Circumstances,
): readonly IpsetElement[] {
  const withIt = elements.filter(
    ({ parts }) =>
      parts[1]?.startsWith("physdev:") !== true &&
      fitsAddress(set, parts[0] ?? "", 0, sides[0] ?? "src", circumstances) !== "failed",
  );
  const ordered = withIt.toSorted((a, b) => moreSpecific(a, b, types));
  return ordered.filter((element) => moreSpecific(element, ordered[0] ?? element, types) === 0);
}

/** The first of its sets that has the packet. */
function isInList(
  list: Ipset,
  sides: readonly Side[],
  isReturning: boolean,
  circumstances: Circumstances,
): Found {
  const found = list.elements.map(({ parts }): Found => {
    const member = circumstances.ipsets?.get(parts[0] ?? "") ?? null;
    // The kernel has no lists of lists.
    if (member === null || member.set.type === "list:set") return unknown(`set ${parts[0]} was not listed`);
    return { ...isIn(member, sides, isReturning, circumstances), within: member.set.name };
  });
  const holds = anyOf(found.map((one) => one.holds));
  const decider = found.find((one) => one.holds === holds);
  if (holds === "failed" || decider === undefined) return NOT_IN;
  return decider;
}

/** `hash:net,port,net`: by the first network, then by the second. */
function moreSpecific(a: IpsetElement, b: IpsetElement, types: readonly string[]): number {
  for (const [at, type] of types.entries()) {
    if (type !== "net") continue;
    const difference = lengthOf(b.parts[at]) - lengthOf(a.parts[at]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function lengthOf(part = ""): number {
  const slash = part.indexOf("/");
  return slash === -1 ? 128 : Number(part.slice(slash + 1));
}

function addressOf(side: Side, { sighting }: Circumstances): string | null {
  return side === "src" ? sighting.packet.src : sighting.packet.dst;
}

function fits(
  set: Ipset,
  element: IpsetElement,
  types: readonly string[],
  sides: readonly Side[],
  circumstances: Circumstances,
): Holds {
  const optional = types.includes("mac") && element.parts.length < types.length;
  if (element.parts.length !== types.length && !optional) return "not-known";
  return allOf(
    element.parts.map((part, at) => {
      const side = sides[at] ?? "src";
      switch (types[at]) {
        case "ip":
        case "net":
          return fitsAddress(set, part, at, side, circumstances);
        case "port":
          return fitsPort(set, part, side, circumstances);
        case "iface":
          return fitsInterface(part, element.isWildcard, side, circumstances);
        case "mark":
          return circumstances.mark === null
            ? "not-known"
            : isMaskedNumber((circumstances.mark & set.markMask) >>> 0, part);
        default:
          return fitsStation(part, side, circumstances);
      }
    }),
  );
}

function fitsAddress(set: Ipset, part: string, at: number, side: Side, circumstances: Circumstances): Holds {
  const address = addressOf(side, circumstances);
  if (address === null) return "not-known";
  // The first part was found in the index, with the set's mask.
  return at === 0 && set.mask !== null ? "matched" : isInAddresses(address, part);
}

/** `tcp:80`, `udp:53`, `icmp:echo-request`, `gre:0`; of `bitmap:port`, which looks at TCP and UDP alone, `80`. */
function fitsPort(set: Ipset, part: string, side: Side, circumstances: Circumstances): Holds {
  const { packet } = circumstances.sighting;
  const { protocol } = packet;
  if (protocol === null) return "not-known";
  const port = side === "src" ? packet.sport : packet.dport;
  if (set.type === "bitmap:port") {
    if (protocol !== "tcp" && protocol !== "udp") return "failed";
    return port === null ? "not-known" : isInNumbers(port, part, circumstances.portNumber);
  }
  const colon = part.indexOf(":");
  const wanted = colon === -1 ? "tcp" : part.slice(0, colon);
  const number = part.slice(colon + 1);
  if (protocolNumber(wanted) === null) return "not-known";
  if (protocolNumber(wanted) !== protocolNumber(protocol)) return "failed";
  if (/^(tcp|udp|udplite|sctp)$/.test(protocol))
    return port === null ? "not-known" : isInNumbers(port, number, circumstances.portNumber);
  if (protocol !== "icmp" && protocol !== "icmpv6") return "matched";
  return packet.icmp === null ? "not-known" : isIcmpType(packet.icmp, number, packet.family === "ip6");
}

/** The interface of that side of the hook; where the hook has none, no set has it. */
function fitsInterface(
  part: string,
  isWildcard: boolean,
  side: Side,
  { sighting, hook }: Circumstances,
): Holds {
  const dev = side === "src" ? sighting.in : sighting.out;
  if (dev === null) {
    const without: readonly (string | null)[] = side === "src" ? ["output"] : ["prerouting", "input"];
    return without.includes(hook) ? "failed" : "not-known";
  }
  return (isWildcard ? dev.startsWith(part) : dev === part) ? "matched" : "failed";
}

function fitsStation(part: string, side: Side, { sighting }: Circumstances): Holds {
  const { link } = sighting.packet;
  const station = (side === "src" ? link?.source : link?.destination) ?? null;
  if (station === null) return "not-known";
  return station.toLowerCase() === part.toLowerCase() ? "matched" : "failed";
}

function shown(type: string, side: Side, circumstances: Circumstances): string {
  const { packet, in: inside, out } = circumstances.sighting;
  switch (type) {
    case "ip":
    case "net":
      return addressOf(side, circumstances) ?? "?";
    case "port":
      return `${packet.protocol ?? "?"}:${portWords(side, circumstances)}`;
    case "iface":
      return (side === "src" ? inside : out) ?? "?";
    case "mark":
      return circumstances.mark === null ? "?" : `0x${circumstances.mark.toString(16)}`;
    default:
      return (side === "src" ? packet.link?.source : packet.link?.destination) ?? "?";
  }
}

function portWords(side: Side, { sighting }: Circumstances): string {
  const { icmp, sport, dport } = sighting.packet;
  if (icmp !== null) return `${icmp.type ?? "?"}/${icmp.code ?? "?"}`;
  return String((side === "src" ? sport : dport) ?? "0");
}
