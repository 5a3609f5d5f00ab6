/**
 * Filters and packets for the tests of the filter language, and what the language means in the plainest words: `passes`
 * is written from libpcap's output (`tcpdump -y RAW -d`), and shares no code with what it judges.
 */
import * as fc from "fast-check";
import type { Sighting } from "../../../src/core/events/event.ts";
import type { Direction, Filter, Primitive } from "../../../src/core/filters/filter.ts";
import { unknownPacket } from "../../../src/core/packets/packet.ts";
import { protocolName } from "../../../src/core/packets/protocols.ts";

/** An IP packet as it is sent: enough to write its bytes, and to say what a source would report of it. */
export interface Datagram {
  readonly family: "ip" | "ip6";
  readonly src: string;
  readonly dst: string;
  /** Of the header behind all others. */
  readonly protocol: number;
  /** An IPv6 extension header (0 hop-by-hop, 60 destination options) in front of everything else. */
  readonly extension: number | null;
  /** `offset` in bytes. */
  readonly fragment: { readonly offset: number; readonly more: boolean } | null;
  /** Bytes of IPv4 options. */
  readonly options: 0 | 4;
  readonly sport: number;
  readonly dport: number;
  readonly flags: number;
  readonly icmpType: number;
  readonly icmpCode: number;
  /** Bytes behind the IP header and the extension headers. At least a whole TCP header's. */
  readonly payload: number;
}

const SOURCES = ["192.0.2.1", "192.0.2.130", "198.51.100.7", "203.0.113.9"] as const;
const SOURCES_6 = ["2001:db8::1", "2001:db8::8000:0:0:1", "2001:db8:1::7", "fe80::9"] as const;
const NETS = ["192.0.2.0/24", "192.0.2.128/25", "0.0.0.0/0", "192.0.0.0/3", "203.0.113.8/30"] as const;
const NETS_6 = ["2001:db8::/32", "2001:db8::/47", "::/0", "fe80::/10", "2001:db8::/127"] as const;
const PORTS = [0, 22, 53, 54, 80, 443, 65535] as const;
const PROTOCOLS = [1, 2, 6, 17, 47, 50, 58, 89, 132] as const;
const ICMP_TYPES = [0, 3, 8, 128, 255] as const;

/** Protocols that IPv6 also has as extension headers: a sighting does not tell about those. */
export const EXTENSION_PROTOCOLS = [0, 44, 51, 60] as const;

const direction = fc.constantFrom<Direction>("src", "dst", "either", "both");
const familyOrBoth = fc.constantFrom<"ip" | "ip6" | null>("ip", "ip6", null);
const sign = fc.constantFrom<"=" | "!=">("=", "!=");
const byte = fc.integer({ min: 0, max: 255 });

const address = fc.oneof(
  fc.constantFrom(...SOURCES).map((text) => ({ family: "ip" as const, address: text as string, prefix: 32 })),
  fc
    .constantFrom(...SOURCES_6)
    .map((text) => ({ family: "ip6" as const, address: text as string, prefix: 128 })),
  fc.constantFrom(...NETS).map((text) => net("ip", text)),
  fc.constantFrom(...NETS_6).map((text) => net("ip6", text)),
);

function net(family: "ip" | "ip6", text: string) {
  const [base = "", prefix = ""] = text.split("/");
  return { family, address: base, prefix: Number(prefix) };
}

const ports = fc
  .tuple(
    fc.constantFrom(...PORTS),
    fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.constantFrom(...PORTS)),
  )
  .map(([a, b]) => ({ from: Math.min(a, b ?? a), to: Math.max(a, b ?? a) }));

function primitives(protocols: readonly number[]): fc.Arbitrary<Primitive>[] {
  return [
    fc.constantFrom<Primitive>({ kind: "family", family: "ip" }, { kind: "family", family: "ip6" }),
    fc.record({ kind: fc.constant("protocol"), number: fc.constantFrom(...protocols), family: familyOrBoth }),
    fc.tuple(direction, address).map(([side, rest]) => ({ kind: "address", direction: side, ...rest })),
    fc
      .tuple(direction, fc.constantFrom<6 | 17 | 132 | null>(null, null, 6, 17, 132), ports)
      .map(([side, protocol, range]) => ({ kind: "port", direction: side, protocol, ...range })),
    fc.record({
      kind: fc.constant("length"),
      operator: fc.constantFrom("<", "<=", "=", "!=", ">=", ">"),
      bytes: fc.oneof(fc.integer({ min: 38, max: 72 }), fc.constantFrom(0, 65535)),
    }),
    fc.record({
      kind: fc.constant("tcp-flags"),
      mask: fc.oneof(fc.constantFrom(2, 18, 0xff, 0), byte),
      operator: sign,
      value: fc.oneof(fc.constantFrom(0, 2, 18), byte),
    }),
    fc
      .tuple(fc.constantFrom<"ip" | "ip6">("ip", "ip6"), sign, fc.constantFrom(...ICMP_TYPES), fc.boolean())
      .map(([family, operator, value, ofType]) =>
        ofType
          ? { kind: "icmp-type", family, operator, type: value }
          : { kind: "icmp-code", family, operator, code: value },
      ),
  ];
}

const LOCAL_PRIMITIVES: readonly fc.Arbitrary<Primitive>[] = [
  fc.constantFrom<Primitive>({ kind: "way", way: "inbound" }, { kind: "way", way: "outbound" }),
  fc.constantFrom("eth0", "br-lan", "wg0").map((name) => ({ kind: "interface", name })),
  fc.constant({ kind: "family", family: "arp" }),
];

/**
 * Trees of up to a dozen conditions.
 * - `wire`: only what can be seen in a packet's bytes, extension headers' numbers included;
 * - `seen`: the same without those numbers;
 * - `all`: with interfaces, ways and ARP.
 */
export function filters(words: "wire" | "seen" | "all"): fc.Arbitrary<Filter> {
  const leaves = primitives(words === "seen" ? PROTOCOLS : [...PROTOCOLS, ...EXTENSION_PROTOCOLS]);
  const { tree } = fc.letrec<{ tree: Filter }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      { weight: 2, arbitrary: fc.oneof(...leaves, ...(words === "all" ? LOCAL_PRIMITIVES : [])) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constantFrom("and", "or"), left: tie("tree"), right: tie("tree") }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("not"), operand: tie("tree") }) },
    ),
  }));
  return tree;
}

/** IP packets over the same few values as the filters, so that conditions are met often. */
export function datagrams(withExtensions: boolean): fc.Arbitrary<Datagram> {
  const fragment = fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    {
      weight: 1,
      arbitrary: fc.record({ offset: fc.constantFrom(0, 1480), more: fc.boolean() }).map(realFragment),
    },
  );
  const common = {
    protocol: fc.constantFrom(6, 6, 17, 17, ...PROTOCOLS, ...(withExtensions ? [51] : [])),
    fragment,
    sport: fc.constantFrom(...PORTS),
    dport: fc.constantFrom(...PORTS),
    flags: fc.oneof(fc.constantFrom(2, 16, 18, 17), byte),
    icmpType: fc.constantFrom(...ICMP_TYPES),
    icmpCode: fc.constantFrom(...ICMP_TYPES),
    payload: fc.integer({ min: 20, max: 32 }),
  };
  const extension = withExtensions ? fc.constantFrom(null, null, null, 0, 60) : fc.constant(null);
  return fc.oneof(
    fc.record({
      ...common,
      family: fc.constant("ip"),
      src: fc.constantFrom(...SOURCES),
      dst: fc.constantFrom(...SOURCES),
      options: fc.constantFrom(0, 0, 4),
      extension: fc.constant(null),
    }),
    fc.record({
      ...common,
      family: fc.constant("ip6"),
      src: fc.constantFrom(...SOURCES_6),
      dst: fc.constantFrom(...SOURCES_6),
      options: fc.constant(0),
      extension,
    }),
  );
}

/** Offset 0 without more to come would be no fragment in IPv4. */
function realFragment(fragment: { offset: number; more: boolean }) {
  return fragment.offset === 0 ? { ...fragment, more: true } : fragment;
}

/** Bytes from the IP header on. */
export function lengthOf(datagram: Datagram): number {
  const { family, options, extension, fragment, payload } = datagram;
  if (family === "ip") return 20 + options + payload;
  return 40 + (extension === null ? 0 : 8) + (fragment === null ? 0 : 8) + payload;
}

/** What a source that tells everything would report. */
export function sightingOf(datagram: Datagram, way: { in: string | null; out: string | null }): Sighting {
  const { family, protocol, fragment } = datagram;
  const hasTransport = (fragment?.offset ?? 0) === 0;
  const hasPorts = hasTransport && [6, 17, 132].includes(protocol);
  return {
    packet: {
      ...unknownPacket(family),
      src: datagram.src,
      dst: datagram.dst,
      protocol: protocolName(protocol),
      sport: hasPorts ? datagram.sport : null,
      dport: hasPorts ? datagram.dport : null,
      length: lengthOf(datagram),
      moreFragments: fragment?.more ?? false,
      fragmentOffset: fragment?.offset ?? 0,
      tcp: hasTransport && protocol === 6 ? { seq: 0, ack: 0, flags: datagram.flags, window: 0 } : null,
      icmp:
        hasTransport && (protocol === 1 || protocol === 58)
          ? { type: datagram.icmpType, code: datagram.icmpCode, id: null, sequence: null, mtu: null }
          : null,
    },
    in: way.in,
    out: way.out,
    physIn: null,
    physOut: null,
    mark: null,
    uid: null,
    gid: null,
  };
}

/** Whether libpcap would let the packet pass; `way` is where it was seen. */
export function passes(
  filter: Filter,
  datagram: Datagram,
  way: { in: string | null; out: string | null },
): boolean {
  const { family, protocol, extension, fragment } = datagram;
  const firstHeader = family === "ip" ? protocol : (extension ?? (fragment === null ? protocol : 44));
  const inFragment = family === "ip6" && firstHeader === 44 ? protocol : null;
  /** Whether libpcap finds the transport header of this protocol. */
  const reaches = (number: number) =>
    firstHeader === number && (family === "ip6" || (fragment?.offset ?? 0) === 0);
  switch (filter.kind) {
    case "and":
      return passes(filter.left, datagram, way) && passes(filter.right, datagram, way);
    case "or":
      return passes(filter.left, datagram, way) || passes(filter.right, datagram, way);
    case "not":
      return !passes(filter.operand, datagram, way);
    case "family":
      return filter.family === family;
    case "protocol":
      if (filter.family !== null && filter.family !== family) return false;
      return firstHeader === filter.number || inFragment === filter.number;
    case "address":
      if (filter.family !== family) return false;
      return chosen(filter.direction, (side) =>
        bits(datagram[side]).startsWith(bits(filter.address).slice(0, filter.prefix)),
      );
    case "port":
      if (![6, 17, 132].some((number) => reaches(number) && (filter.protocol ?? number) === number))
        return false;
      return chosen(filter.direction, (side) => {
        const port = side === "src" ? datagram.sport : datagram.dport;
        return port >= filter.from && port <= filter.to;
      });
    case "length":
      return compares(lengthOf(datagram), filter.operator, filter.bytes);
    case "tcp-flags":
      return (
        family === "ip" && reaches(6) && compares(datagram.flags & filter.mask, filter.operator, filter.value)
      );
    case "icmp-type":
      return reachesIcmp(filter.family) && compares(datagram.icmpType, filter.operator, filter.type);
    case "icmp-code":
      return reachesIcmp(filter.family) && compares(datagram.icmpCode, filter.operator, filter.code);
    case "interface":
      return way.in === filter.name || way.out === filter.name;
    case "way":
      return (way.in !== null) === (filter.way === "inbound");
  }

  function reachesIcmp(wanted: "ip" | "ip6"): boolean {
    return wanted === family && reaches(wanted === "ip" ? 1 : 58);
  }
}

function chosen(side: Direction, test: (side: "src" | "dst") => boolean): boolean {
  if (side === "either") return test("src") || test("dst");
  if (side === "both") return test("src") && test("dst");
  return test(side);
}

function compares(value: number, operator: string, other: number): boolean {
  const table: Record<string, boolean> = {
    "<": value < other,
    "<=": value <= other,
    "=": value === other,
    "!=": value !== other,
    ">=": value >= other,
    ">": value > other,
  };
  return table[operator] === true;
}

/** An address as a text of 32 or 128 binary digits. */
export function bits(address: string): string {
  return [...addressBytes(address)].map((octet) => octet.toString(2).padStart(8, "0")).join("");
}

/** For the addresses used here: at most one `::`, no dotted tail. */
export function addressBytes(address: string): Uint8Array {
  if (!address.includes(":")) return Uint8Array.from(address.split("."), Number);
  const [head = "", tail = ""] = address.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = address.includes("::")
    ? [...groups(head), ...new Array<string>(missing).fill("0"), ...groups(tail)]
    : groups(address);
  return Uint8Array.from(
    all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]),
  );
}
