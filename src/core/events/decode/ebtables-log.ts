/**
 * Lines of the ebtables LOG watcher: `net/bridge/netfilter/ebt_log.c`.
 *
 * They begin with `IN= OUT=` like every other, and go on in words of their own: `MAC source = 02:… MAC dest = 02:…
 * proto = 0x0800 IP SRC=192.0.2.1 IP DST=192.0.2.2, IP tos=0x00, IP proto=17 SPT=1 DPT=2`.
 */
import { type Packet, unknownPacket } from "../../packets/packet.ts";
import { protocolName } from "../../packets/protocols.ts";
import type { Sighting } from "../event.ts";
import { type FieldValues, readMac } from "./field-values.ts";

export interface EbtablesRecord {
  readonly sighting: Sighting;
  /** How many characters of the text it fills. */
  readonly length: number;
}

const LINK =
  /^IN=(?<into>\S*) +OUT=(?<out>\S*) +MAC source = (?<source>[0-9a-f:]{11,17}) MAC dest = (?<destination>[0-9a-f:]{11,17}) proto = 0x(?<type>[0-9a-f]{4})/i;
const IPV4 =
  / IP SRC=(?<src>[^\s,]+) IP DST=(?<dst>[^\s,]+),(?: IP tos=0x(?<tos>[0-9a-f]{2}),)?(?: IP proto=(?<protocol>\d+))?/iy;
const IPV6 =
  / IPv6 SRC=(?<src>[^\s,]+) IPv6 DST=(?<dst>[^\s,]+),(?: IPv6 priority=0x[0-9a-f]+,)?(?: Next Header=(?<protocol>\d+))?/iy;
const ARP =
  / ARP HTYPE=\d+, PTYPE=0x[0-9a-f]+, OPCODE=\d+(?: ARP MAC SRC=\S+ ARP IP SRC=(?<src>\S+) ARP MAC DST=\S+ ARP IP DST=(?<dst>[\d.]+))?/iy;
const PORTS = / SPT=(?<sport>\d{1,5}) DPT=(?<dport>\d{1,5})(?!\d)/y;

/** Behind it, what is printed as ports may be a later fragment's payload. */
const FRAGMENT_HEADER = "44";

type Groups = Readonly<Record<string, string | undefined>>;

/** The record that `text` begins with; null where it is none of ebtables'. */
export function readEbtablesLog(text: string, values: FieldValues): EbtablesRecord | null {
  if (text.indexOf("MAC source = ") === -1) return null;
  const link = LINK.exec(text);
  if (link === null) return null;
  const { into = "", out = "", source = "", destination = "", type = "" } = link.groups as Groups;
  const network = readNetwork(text, link[0].length, values);
  const header = {
    source: readMac(source),
    destination: readMac(destination),
    etherType: Number.parseInt(type, 16),
  };
  const sighting = {
    packet: { ...network.packet, link: header },
    in: into === "" ? null : into,
    out: out === "" ? null : out,
    physIn: null,
    physOut: null,
    mark: null,
    uid: null,
    gid: null,
  };
  return { sighting, length: network.end };
}

interface Network {
  readonly packet: Packet;
  readonly end: number;
}

function readNetwork(text: string, at: number, values: FieldValues): Network {
  const ipv4 = match(IPV4, text, at);
  if (ipv4 !== null) {
    const { tos, protocol } = ipv4.groups as Groups;
    const packet = {
      ...unknownPacket("ip"),
      ...addresses(ipv4.groups as Groups, values),
      tos: tos === undefined ? null : Number.parseInt(tos, 16),
      protocol: protocol === undefined ? null : protocolName(Number(protocol)),
    };
    return withPorts(packet, text, at + ipv4[0].length);
  }
  const ipv6 = match(IPV6, text, at);
  if (ipv6 !== null) {
    const { protocol } = ipv6.groups as Groups;
    const packet = { ...unknownPacket("ip6"), ...addresses(ipv6.groups as Groups, values) };
    const end = at + ipv6[0].length;
    if (protocol === FRAGMENT_HEADER) return { packet, end: withPorts(packet, text, end).end };
    return withPorts(
      { ...packet, protocol: protocol === undefined ? null : protocolName(Number(protocol)) },
      text,
      end,
    );
  }
  const arp = match(ARP, text, at);
  if (arp === null) return { packet: unknownPacket("bridge"), end: at };
  const packet = { ...unknownPacket("arp"), ...addresses(arp.groups as Groups, values) };
  return { packet, end: at + arp[0].length };
}

function withPorts(packet: Packet, text: string, at: number): Network {
  const ports = match(PORTS, text, at);
  if (ports === null) return { packet, end: at };
  const { sport, dport } = ports.groups as Groups;
  return { packet: { ...packet, sport: Number(sport), dport: Number(dport) }, end: at + ports[0].length };
}

function addresses({ src, dst }: Groups, values: FieldValues): Pick<Packet, "src" | "dst"> {
  return { src: address(src, values), dst: address(dst, values) };
}

function address(text: string | undefined, values: FieldValues): string | null {
  return text === undefined ? null : values.addresses.get(text, 0, text.length).value.text;
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
