/**
 * Messages of nfnetlink_log: `net/netfilter/nfnetlink_log.c`, `__build_packet_message`.
 *
 * Where `net.netfilter.nf_log.N` is `nfnetlink_log`, legacy iptables sends its TRACE records to group 0 with the prefix
 * it would have given the kernel log. The same group may carry what NFLOG rules of other people write there.
 *
 * NFULA_TIMESTAMP is not used: the kernel gives it only for some hooks, and nft's trace, whose steps these must be
 * ordered with, has none at all.
 */
import type { Time } from "../../../base/time.ts";
import { familyOfNumber, type PacketFamily } from "../../../netfilter/family.ts";
import { first, type Slice, u16 } from "../../../packets/decode/bytes.ts";
import { decodeLink } from "../../../packets/decode/link.ts";
import { decodeHeaders } from "../../../packets/decode/packet.ts";
import { type LinkHeader, unknownPacket } from "../../../packets/packet.ts";
import type {
  ConntrackView,
  LogEvent,
  Origin,
  Sighting,
  StepEvent,
  StepKind,
  UnparsedEvent,
} from "../../event.ts";
import {
  emptyIndex,
  indexAttributes,
  sliceAttribute,
  textAttribute,
  u16Attribute,
  u32Attribute,
} from "./attributes.ts";
import { decodeAttachedConntrack } from "./conntrack.ts";
import { interfaceName, type NetlinkContext } from "./context.ts";

/** `include/uapi/linux/netfilter/nfnetlink_log.h`, `enum nfulnl_attr_type` */
const NFULA_PACKET_HDR = 1;
const NFULA_MARK = 2;
const NFULA_IFINDEX_INDEV = 4;
const NFULA_IFINDEX_OUTDEV = 5;
const NFULA_IFINDEX_PHYSINDEV = 6;
const NFULA_IFINDEX_PHYSOUTDEV = 7;
const NFULA_PAYLOAD = 9;
const NFULA_PREFIX = 10;
const NFULA_UID = 11;
const NFULA_GID = 14;
const NFULA_HWTYPE = 15;
const NFULA_HWHEADER = 16;
const NFULA_HWLEN = 17;
/** Where the reader asked for them: NFULNL_CFG_F_CONNTRACK. */
const NFULA_CT = 18;
const NFULA_CT_INFO = 19;
/** Bridge family; Linux 4.8 and later. */
const NFULA_L2HDR = 21;

const NETFILTER_HEADER = 4;

const attributes = emptyIndex();

const ORIGIN = { input: "nflog", line: null, raw: "" } as const;

/** What one packet message of nfnetlink_log tells. `body` starts behind the netlink header. Never throws. */
export function decodeNflog(
  body: Slice,
  time: Time | null,
  context: NetlinkContext,
): StepEvent | LogEvent | UnparsedEvent {
  if (body.end - body.start < NETFILTER_HEADER) return unparsed("it ends before its family", time, context);
  const start = body.start + NETFILTER_HEADER;
  if (!indexAttributes(attributes, body.bytes, start, body.end, context.littleEndian)) {
    return unparsed("an attribute is longer than the message", time, context);
  }
  const familyNumber = body.bytes[body.start] as number;
  const family = familyOfNumber(familyNumber);
  if (family === null) return unparsed(`family ${familyNumber} is unknown`, time, context);
  // The log of an nft rule in an inet table says IPv4 or IPv6 here; inet itself is not a packet's family.
  const sighting = decodeSighting(family === "inet" ? "netdev" : family, context);
  const prefix = textAttribute(attributes, NFULA_PREFIX) ?? "";
  const step = family === "ip" || family === "ip6" ? traceStep(prefix) : null;
  if (step === null) {
    const { netns } = context;
    const conntrack = decodeConntrack(context);
    return { kind: "log", origin: originOf(body), time, netns, prefix, sighting, conntrack };
  }
  return {
    kind: "step",
    origin: ORIGIN,
    time,
    netns: context.netns,
    tracer: "xtables",
    family,
    table: step.table,
    chain: step.chain,
    step: step.step,
    number: step.number,
    handle: null,
    verdict: null,
    toChain: null,
    ruleText: null,
    traceId: null,
    sighting,
    mark: null,
    conntrack: decodeConntrack(context),
  };
}

/** Absent until conntrack has looked at the packet (in raw, say), and of packets that it does not track. */
function decodeConntrack(context: NetlinkContext): ConntrackView | null {
  const entry = sliceAttribute(attributes, NFULA_CT);
  if (entry === null) return null;
  return decodeAttachedConntrack(entry, u32Attribute(attributes, NFULA_CT_INFO), context.littleEndian);
}

/** The group is the resource of the message's header, in network order; legacy TRACE has no other than 0. */
function originOf(body: Slice): Origin {
  const group = u16(body, 2) ?? 0;
  return group === 0 ? ORIGIN : { ...ORIGIN, input: `nflog:${group}` };
}

function unparsed(reason: string, time: Time | null, context: NetlinkContext): UnparsedEvent {
  return { kind: "unparsed", origin: ORIGIN, time, netns: context.netns, reason: `nflog message: ${reason}` };
}

interface TraceStep {
  readonly table: string;
  readonly chain: string;
  readonly step: StepKind;
  readonly number: number;
}

const TRACE = "TRACE: ";

const steps = new Map<string, TraceStep | null>();
const MOST_STEPS = 8192;

/** A host has as many different prefixes as rules; each is taken apart once. */
function traceStep(prefix: string): TraceStep | null {
  const known = steps.get(prefix);
  if (known !== undefined) return known;
  if (steps.size >= MOST_STEPS) steps.clear();
  const step = parseTracePrefix(prefix);
  steps.set(prefix, step);
  return step;
}

/**
 * `TRACE: table:chain:kind:number ` (`ip_tables.c`, `trace_packet`). A chain's name may hold colons, so it is what
 * remains between the first and the last two. Null for any other text.
 */
function parseTracePrefix(prefix: string): TraceStep | null {
  if (!prefix.startsWith(TRACE) || !prefix.endsWith(" ")) return null;
  const lastColon = prefix.lastIndexOf(":");
  const kindColon = prefix.lastIndexOf(":", lastColon - 1);
  const tableColon = prefix.indexOf(":", TRACE.length);
  if (tableColon < 0 || tableColon >= kindColon) return null;
  const step = prefix.slice(kindColon + 1, lastColon);
  if (step !== "rule" && step !== "return" && step !== "policy") return null;
  const digits = prefix.slice(lastColon + 1, -1);
  if (!/^[1-9]\d{0,9}$/.test(digits)) return null;
  return {
    table: prefix.slice(TRACE.length, tableColon),
    chain: prefix.slice(tableColon + 1, kindColon),
    step,
    number: Number(digits),
  };
}

function decodeSighting(family: PacketFamily, context: NetlinkContext): Sighting {
  const payload = sliceAttribute(attributes, NFULA_PAYLOAD);
  const packetHeader = sliceAttribute(attributes, NFULA_PACKET_HDR);
  return {
    packet:
      payload === null
        ? { ...unknownPacket(family), link: linkHeader() }
        : decodeHeaders(
            {
              link: linkHeader(),
              network: payload,
              transport: null,
              etherType: packetHeader === null ? null : u16(packetHeader, 0),
            },
            family,
          ),
    in: interfaceName(context, u32Attribute(attributes, NFULA_IFINDEX_INDEV)),
    out: interfaceName(context, u32Attribute(attributes, NFULA_IFINDEX_OUTDEV)),
    physIn: interfaceName(context, u32Attribute(attributes, NFULA_IFINDEX_PHYSINDEV)),
    physOut: interfaceName(context, u32Attribute(attributes, NFULA_IFINDEX_PHYSOUTDEV)),
    mark: u32Attribute(attributes, NFULA_MARK),
    uid: u32Attribute(attributes, NFULA_UID),
    gid: u32Attribute(attributes, NFULA_GID),
  };
}

/** The attribute may be longer than the header: it is a copy of the device's whole header room. */
function linkHeader(): LinkHeader | null {
  const bytes = sliceAttribute(attributes, NFULA_HWHEADER) ?? sliceAttribute(attributes, NFULA_L2HDR);
  if (bytes === null) return null;
  const length = u16Attribute(attributes, NFULA_HWLEN);
  return decodeLink(length === null ? bytes : first(bytes, length), u16Attribute(attributes, NFULA_HWTYPE));
}
