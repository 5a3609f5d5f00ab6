/**
 * The headers of a packet in nft's words: `iif "eth0" ether saddr … ip saddr 192.0.2.1 … tcp dport 80 tcp flags == syn`.
 *
 * nft decodes the link, network and transport headers that came with the trace as if they were matches
 * (`trace_print_packet` in `src/trace.c`), and prints what it knows in its own order, numbers by name unless told `-n`.
 * What it has no name for it prints raw (`@th,64,96 0x…`), which says nothing we could not also leave out.
 */
import type { Family, PacketFamily } from "../../netfilter/family.ts";
import { type Packet, TCP_FLAG_BITS } from "../../packets/packet.ts";
import { protocolName, protocolNumber } from "../../packets/protocols.ts";
import type { Sighting } from "../event.ts";
import { type FieldValues, readMac } from "./field-values.ts";
import {
  DSCP,
  ECN,
  ETHER_TYPES,
  ICMP_CODES,
  ICMP_TYPES,
  ICMPV6_CODES,
  ICMPV6_TYPES,
  PORTS,
} from "./nft-names.ts";
import { Words } from "./words.ts";

/** Fields that can be a packet's last: behind any other, a genuine line goes on. */
const LAST_FIELDS: ReadonlySet<string> = new Set([
  "tcp window",
  "udp length",
  "udplite checksum",
  "icmp sequence",
  "icmpv6 parameter-problem",
  "icmpv6 mtu",
  "sctp vtag",
  "esp sequence",
  "ah sequence",
  "arp operation",
]);

/**
 * Reads the words of `text` between `from` and `to`. `keepsSpace`: lines of this input end in nft's own space, so one that
 * does not was cut.
 */
export function readNftPacket(
  text: string,
  from: number,
  to: number,
  family: Family,
  values: FieldValues,
  keepsSpace: boolean,
): Sighting {
  return new NftPacket(text, from, to, family, values, keepsSpace).read();
}

class NftPacket {
  readonly #words: Words;
  readonly #values: FieldValues;
  readonly #keepsSpace: boolean;
  #family: PacketFamily;
  #in: string | null = null;
  #out: string | null = null;
  #mark: number | null = null;
  #source: string | null = null;
  #destination: string | null = null;
  #etherType: number | null = null;
  #src: string | null = null;
  #dst: string | null = null;
  #protocol: string | null = null;
  /** Of IPv6: the next header is that of a fragment. */
  #isPart: true | null = null;
  #sport: number | null = null;
  #dport: number | null = null;
  #length: number | null = null;
  #ipId: number | null = null;
  #ttl: number | null = null;
  #dscp: number | null = null;
  #ecn: number | null = null;
  #fragmentField: number | null = null;
  #udpLength: number | null = null;
  #flags: number | null = null;
  #window: number | null = null;
  #sequence: number | null = null;
  #ack: number | null = null;
  #type: number | null = null;
  #code: number | null = null;
  #icmpId: number | null = null;
  #icmpSequence: number | null = null;
  #icmpRest: number | null = null;

  constructor(
    text: string,
    from: number,
    to: number,
    family: Family,
    values: FieldValues,
    keepsSpace: boolean,
  ) {
    this.#words = new Words(text, from, to);
    this.#values = values;
    this.#keepsSpace = keepsSpace;
    this.#family = family === "inet" ? "ip" : family;
  }

  read(): Sighting {
    for (let word = this.#words.next(); word !== ""; word = this.#words.next()) this.#statement(word);
    return {
      packet: this.#packet(),
      in: this.#in,
      out: this.#out,
      physIn: null,
      physOut: null,
      mark: this.#mark,
      uid: null,
      gid: null,
    };
  }

  #statement(word: string): void {
    switch (word) {
      case "iif":
      case "iifname":
        this.#in = this.#words.quoted();
        return;
      case "oif":
      case "oifname":
        this.#out = this.#words.quoted();
        return;
      case "ether":
      case "vlan":
      case "arp":
      case "ip":
      case "ip6":
      case "tcp":
      case "udp":
      case "udplite":
      case "sctp":
      case "dccp":
      case "th":
      case "icmp":
      case "icmpv6":
      case "ah":
      case "esp":
      case "meta":
        this.#field(word, this.#words.next());
        return;
    }
    // `@th,64,96 0x…`: the value is no statement.
    if (!word.startsWith("@")) return;
    const value = this.#words.next();
    if (word === "@th,0,160") this.#laterFragment(value);
  }

  /** What stands for the transport header of an IPv6 fragment that is not the first is its IPv6 header: version 6, next header 44. */
  #laterFragment(value: string): void {
    if (this.#family !== "ip6" || this.#length !== null || !/^0x6[0-9a-f]{11}2c[0-9a-f]{26}$/.test(value))
      return;
    this.#length = Number(`0x${value.slice(10, 14)}`) + 40;
    this.#ttl = Number(`0x${value.slice(16, 18)}`);
    this.#isPart = true;
  }

  #field(header: string, field: string): void {
    this.#enter(header);
    if (header === "tcp" && field === "flags") {
      this.#flags = this.#tcpFlags();
      return;
    }
    const value = this.#words.next();
    const isAtEnd = this.#words.isAtEnd;
    const isLast = LAST_FIELDS.has(`${header} ${field}`);
    // Nothing stands behind the value, not even a space: it may be the beginning of a longer one.
    if (isAtEnd && (!isLast || this.#keepsSpace)) return;
    this.#set(header, field, value);
  }

  #enter(header: string): void {
    switch (header) {
      case "ip":
      case "ip6":
      case "arp":
        this.#family = header;
        return;
      case "tcp":
      case "udp":
      case "udplite":
      case "sctp":
      case "dccp":
      case "icmp":
      case "icmpv6":
      case "ah":
      case "esp":
        this.#protocol = header;
        return;
    }
  }

  #set(header: string, field: string, value: string): void {
    switch (header) {
      case "ether":
        if (field === "saddr") this.#source = readMac(value);
        else if (field === "daddr") this.#destination = readMac(value);
        else if (field === "type") this.#setEtherType(value);
        return;
      case "vlan":
        if (field === "type") this.#setEtherType(value);
        return;
      case "meta":
        if (field === "mark") this.#mark = numberOf(value);
        return;
      case "arp":
        // `arp saddr ip 192.0.2.1`: two words name the field.
        if (value === "ip") this.#setArpAddress(field, this.#words.next());
        return;
      case "ip":
        this.#setIpv4(field, value);
        return;
      case "ip6":
        this.#setIpv6(field, value);
        return;
      case "icmp":
        this.#setIcmp(field, value, ICMP_TYPES, ICMP_CODES);
        return;
      case "icmpv6":
        this.#setIcmp(field, value, ICMPV6_TYPES, ICMPV6_CODES);
        return;
      default:
        this.#setTransport(field, value);
    }
  }

  #setEtherType(value: string): void {
    this.#etherType = numberOf(value, ETHER_TYPES);
    if (this.#etherType === 0x0800) this.#family = "ip";
    else if (this.#etherType === 0x86dd) this.#family = "ip6";
    else if (this.#etherType === 0x0806) this.#family = "arp";
  }

  #setArpAddress(field: string, value: string): void {
    if (this.#words.isAtEnd) return;
    if (field === "saddr") this.#src = this.#address(value);
    else if (field === "daddr") this.#dst = this.#address(value);
  }

  #setIpv4(field: string, value: string): void {
    switch (field) {
      case "id":
        this.#ipId = numberOf(value);
        return;
      case "frag-off":
        this.#fragmentField = numberOf(value);
        return;
      case "ttl":
        this.#ttl = numberOf(value);
        return;
      case "protocol":
        this.#setProtocol(value);
        return;
      case "length":
        this.#length = numberOf(value);
        return;
      default:
        this.#setIp(field, value);
    }
  }

  #setIpv6(field: string, value: string): void {
    switch (field) {
      case "hoplimit":
        this.#ttl = numberOf(value);
        return;
      case "nexthdr":
        if (value === "ipv6-frag" || value === "44") {
          this.#isPart = true;
          return;
        }
        this.#setProtocol(value);
        return;
      case "length": {
        // The header's own field: what follows the 40 bytes of the header.
        const payload = numberOf(value);
        this.#length = payload === null ? null : payload + 40;
        return;
      }
      default:
        this.#setIp(field, value);
    }
  }

  #setIp(field: string, value: string): void {
    switch (field) {
      case "saddr":
        this.#src = this.#address(value);
        return;
      case "daddr":
        this.#dst = this.#address(value);
        return;
      case "dscp":
        this.#dscp = numberOf(value, DSCP);
        return;
      case "ecn":
        this.#ecn = numberOf(value, ECN);
        return;
    }
  }

  #setProtocol(value: string): void {
    const number = protocolNumber(value);
    if (number !== null) this.#protocol = protocolName(number);
  }

  #setTransport(field: string, value: string): void {
    switch (field) {
      case "sport":
        this.#sport = portOf(value);
        return;
      case "dport":
        this.#dport = portOf(value);
        return;
      case "length":
        this.#udpLength = numberOf(value);
        return;
      case "window":
        this.#window = numberOf(value);
        return;
      case "sequence":
        if (this.#protocol === "tcp") this.#sequence = numberOf(value);
        return;
      case "ackseq":
        this.#ack = numberOf(value);
        return;
    }
  }

  #setIcmp(
    field: string,
    value: string,
    types: Readonly<Record<string, number>>,
    codes: Readonly<Record<string, number>>,
  ): void {
    switch (field) {
      case "type":
        this.#type = numberOf(value, types);
        return;
      case "code":
        this.#code = numberOf(value, codes);
        return;
      case "id":
        this.#icmpId = numberOf(value);
        return;
      case "sequence":
        this.#icmpSequence = numberOf(value);
        return;
      case "mtu":
      case "parameter-problem":
        this.#icmpRest = numberOf(value);
        return;
    }
  }

  /** `== syn`, `syn`, `== syn | ack`, `== (syn | ack)`, `syn,ack`, `0x12`. */
  #tcpFlags(): number | null {
    let flags = 0;
    let isOpen = true;
    while (isOpen) {
      const word = this.#words.next().replace(/[()]/g, "");
      if (word === "" && this.#words.isAtEnd) return null;
      isOpen = word === "" || word === "==" || word === "|" || word.endsWith(",");
      if (this.#words.isAtEnd && (!isOpen || this.#keepsSpace)) return null;
      for (const name of word.split(",")) {
        if (name === "" || name === "==" || name === "|") continue;
        const bit = flagBits(name);
        if (bit === null) return null;
        flags |= bit;
      }
      if (!isOpen && this.#words.peek() === "|") isOpen = true;
    }
    return flags;
  }

  #address(value: string): string | null {
    return this.#values.addresses.get(value, 0, value.length).value.text;
  }

  #packet(): Packet {
    const { source, destination, etherType } = {
      source: this.#source,
      destination: this.#destination,
      etherType: this.#etherType,
    };
    const fragment = this.#fragmentField;
    if (!this.#hasPlausibleUdpLength()) {
      this.#sport = null;
      this.#dport = null;
      this.#udpLength = null;
    }
    return {
      family: this.#family,
      src: this.#src,
      dst: this.#dst,
      protocol: this.#protocol,
      sport: this.#sport,
      dport: this.#dport,
      length: this.#length,
      ipId: this.#ipId,
      ttl: this.#ttl,
      tos: this.#dscp === null || this.#ecn === null ? null : (this.#dscp << 2) | this.#ecn,
      dontFragment: fragment === null ? null : (fragment & 0x4000) !== 0,
      moreFragments: fragment === null ? this.#isPart : (fragment & 0x2000) !== 0,
      fragmentOffset: fragment === null ? null : (fragment & 0x1fff) * 8,
      tcp: this.#tcp(),
      icmp: this.#icmp(),
      udpLength: this.#udpLength,
      contentSum: null,
      link:
        source === null && destination === null && etherType === null
          ? null
          : { source, destination, etherType },
      quoted: null,
    };
  }

  /**
   * In front of conntrack's reassembly, and in bridge and netdev tables, nft shows fragments. It prints no fragment offset, and
   * reads the payload of a later one as a UDP header. A UDP header that promises more than the packet holds is either
   * such a payload or the first fragment's: which of them cannot be told, so its ports are not.
   */
  #hasPlausibleUdpLength(): boolean {
    const udpLength = this.#udpLength;
    if (udpLength === null || this.#length === null || this.#protocol !== "udp") return true;
    return udpLength >= 8 && udpLength <= this.#length - (this.#family === "ip6" ? 40 : 20);
  }

  #tcp(): Packet["tcp"] {
    if (this.#protocol !== "tcp") return null;
    if (this.#flags === null && this.#window === null && this.#sequence === null && this.#ack === null)
      return null;
    return { seq: this.#sequence, ack: this.#ack, flags: this.#flags, window: this.#window };
  }

  /**
   * nft reads the four bytes behind the checksum as an echo's (ICMP) or as a parameter problem's (ICMPv6), whatever the
   * type: here they become what the type says they are.
   */
  #icmp(): Packet["icmp"] {
    const type = this.#type;
    if (type === null) return null;
    const known = { type, code: this.#code, id: null, sequence: null, mtu: null };
    if (this.#protocol === "icmp") {
      if (type === 3 && this.#code === 4) return { ...known, mtu: this.#icmpSequence };
      const isEcho = type === 0 || type === 8 || (type >= 13 && type <= 18);
      return isEcho ? { ...known, id: this.#icmpId, sequence: this.#icmpSequence } : known;
    }
    const rest = this.#icmpRest;
    if (type === 2) return { ...known, mtu: rest };
    if (type !== 128 && type !== 129) return known;
    if (rest === null) return { ...known, id: this.#icmpId, sequence: this.#icmpSequence };
    return { ...known, id: rest >>> 16, sequence: rest & 0xffff };
  }
}

function flagBits(name: string): number | null {
  const number = numberOf(name);
  if (number !== null) return number;
  const upper = name.toUpperCase();
  return upper in TCP_FLAG_BITS ? TCP_FLAG_BITS[upper as keyof typeof TCP_FLAG_BITS] : null;
}

function portOf(value: string): number | null {
  const port = numberOf(value, PORTS);
  return port !== null && port <= 0xffff ? port : null;
}

function numberOf(value: string, names?: Readonly<Record<string, number>>): number | null {
  if (/^(?:\d{1,10}|0x[0-9a-fA-F]{1,8})$/.test(value)) return Number(value);
  return names !== undefined && Object.hasOwn(names, value) ? (names[value] as number) : null;
}
