/**
 * Conntrack's messages: `net/netfilter/nf_conntrack_netlink.c`, `ctnetlink_conntrack_event` and `ctnetlink_fill_info`.
 *
 * Events of NFNLGRP_CONNTRACK_NEW and _UPDATE have one type and differ by their flags. Under `nf_conntrack_events=2`, the
 * default since Linux 5.19, a connection made before anybody listened never tells anything: it can only be listed.
 */
import type { Time } from "../../../base/time.ts";
import { ipv4FromBytes, ipv6FromBytes } from "../../../packets/address.ts";
import type { Slice } from "../../../packets/decode/bytes.ts";
import { protocolName } from "../../../packets/protocols.ts";
import type { ConntrackView, FlowEvent, FlowTuple, UnparsedEvent } from "../../event.ts";
import {
  type AttributeIndex,
  emptyIndex,
  indexAttributes,
  sliceAttribute,
  u8Attribute,
  u16Attribute,
  u32Attribute,
} from "./attributes.ts";
import { isTemplate, statusWords } from "./conntrack-status.ts";
import type { NetlinkContext } from "./context.ts";

/** `include/uapi/linux/netfilter/nfnetlink_conntrack.h`, `enum ctattr_type` */
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_STATUS = 3;
const CTA_PROTOINFO = 4;
const CTA_TIMEOUT = 7;
const CTA_MARK = 8;
const CTA_ID = 12;
const CTA_ZONE = 18;

const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;

const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;

const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const CTA_PROTO_ICMP_ID = 4;
const CTA_PROTO_ICMP_TYPE = 5;
const CTA_PROTO_ICMP_CODE = 6;
const CTA_PROTO_ICMPV6_ID = 7;
const CTA_PROTO_ICMPV6_TYPE = 8;
const CTA_PROTO_ICMPV6_CODE = 9;

/** The first attribute in each protocol's part of CTA_PROTOINFO is its state. */
const PROTOINFO_STATE = 1;

const PROTOCOL_GRE = 47;
const NFPROTO_IPV4 = 2;
const NFPROTO_IPV6 = 10;
const NETFILTER_HEADER = 4;

/** `enum tcp_conntrack`, `sctp_conntrack`, `ct_dccp_states`, by the attribute in CTA_PROTOINFO that holds them. */
const STATES: Readonly<Record<number, readonly string[]>> = {
  1: "NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2".split(" "),
  2: "NONE REQUEST RESPOND PARTOPEN OPEN CLOSEREQ CLOSING TIMEWAIT IGNORE INVALID".split(" "),
  3: "NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT".split(
    " ",
  ),
};

const attributes = emptyIndex();
const tupleAttributes = emptyIndex();
const addressAttributes = emptyIndex();
const protocolAttributes = emptyIndex();
const infoAttributes = emptyIndex();
const stateAttributes = emptyIndex();

const ORIGIN = { input: "conntrack", line: null, raw: "" } as const;

/**
 * What one message tells about a connection. `body` starts behind the netlink header; what happened is known from that
 * header. Never throws.
 */
export function decodeConntrack(
  body: Slice,
  what: FlowEvent["what"],
  time: Time | null,
  context: NetlinkContext,
): FlowEvent | UnparsedEvent {
  if (body.end - body.start < NETFILTER_HEADER) return unparsed("it ends before its family", time, context);
  const start = body.start + NETFILTER_HEADER;
  if (!indexAttributes(attributes, body.bytes, start, body.end, context.littleEndian)) {
    return unparsed("an attribute is longer than the message", time, context);
  }
  const number = body.bytes[body.start];
  if (number !== NFPROTO_IPV4 && number !== NFPROTO_IPV6) {
    return unparsed(`family ${number} is unknown`, time, context);
  }
  const family = number === NFPROTO_IPV4 ? "ip" : "ip6";
  const original = decodeTuple(CTA_TUPLE_ORIG, context.littleEndian);
  const protocol = u8Attribute(protocolAttributes, CTA_PROTO_NUM);
  const reply = decodeTuple(CTA_TUPLE_REPLY, context.littleEndian);
  if (original === null || reply === null || protocol === null) {
    return unparsed("a direction of the connection is not whole", time, context);
  }
  return {
    kind: "flow",
    origin: ORIGIN,
    time,
    netns: context.netns,
    what,
    family,
    protocol: protocolName(protocol),
    id: u32Attribute(attributes, CTA_ID),
    original,
    reply,
    status: statusWords(u32Attribute(attributes, CTA_STATUS) ?? 0),
    state: decodeState(context.littleEndian),
    timeout: u32Attribute(attributes, CTA_TIMEOUT),
    mark: u32Attribute(attributes, CTA_MARK),
    zone: u16Attribute(attributes, CTA_ZONE),
  };
}

/** `enum ip_conntrack_info`: what the packet is to its connection. */
const PACKET_STATES: Readonly<Record<number, string>> = {
  0: "established",
  1: "related",
  2: "new",
  3: "established",
  4: "related",
  5: "new",
  7: "untracked",
};
const IP_CT_IS_REPLY = 3;
const IP_CT_UNTRACKED = 7;

/**
 * The connection of a packet as other subsystems attach it to theirs (`ctnetlink_glue_build`): `entry` holds the attributes
 * of a connection, `info` says what the packet is to it. Null when the attributes do not fit.
 */
export function decodeAttachedConntrack(
  entry: Slice,
  info: number | null,
  littleEndian: boolean,
): ConntrackView | null {
  if (!indexAttributes(attributes, entry.bytes, entry.start, entry.end, littleEndian)) return null;
  const status = u32Attribute(attributes, CTA_STATUS);
  if (isTemplate(status)) return null;
  const hasDirection = info !== null && info < IP_CT_UNTRACKED;
  return {
    id: u32Attribute(attributes, CTA_ID),
    direction: hasDirection ? (info < IP_CT_IS_REPLY ? "original" : "reply") : null,
    state: info === null ? null : (PACKET_STATES[info] ?? `0x${info.toString(16)}`),
    status: statusWords(status ?? 0),
  };
}

function unparsed(reason: string, time: Time | null, context: NetlinkContext): UnparsedEvent {
  return {
    kind: "unparsed",
    origin: ORIGIN,
    time,
    netns: context.netns,
    reason: `conntrack message: ${reason}`,
  };
}

/** Null when it does not fit, or lacks an address. Leaves the protocol's attributes indexed. */
function decodeTuple(direction: number, littleEndian: boolean): FlowTuple | null {
  if (
    !indexNested(tupleAttributes, attributes, direction, littleEndian) ||
    !indexNested(addressAttributes, tupleAttributes, CTA_TUPLE_IP, littleEndian) ||
    !indexNested(protocolAttributes, tupleAttributes, CTA_TUPLE_PROTO, littleEndian)
  ) {
    return null;
  }
  // GRE's keys come as ports, and are none.
  const hasPorts = u8Attribute(protocolAttributes, CTA_PROTO_NUM) !== PROTOCOL_GRE;
  const src = address(CTA_IP_V4_SRC, CTA_IP_V6_SRC);
  const dst = address(CTA_IP_V4_DST, CTA_IP_V6_DST);
  if (src === null || dst === null) return null;
  return {
    src,
    dst,
    sport: hasPorts ? u16Attribute(protocolAttributes, CTA_PROTO_SRC_PORT) : null,
    dport: hasPorts ? u16Attribute(protocolAttributes, CTA_PROTO_DST_PORT) : null,
    icmp: decodeIcmp(),
  };
}

function indexNested(
  index: AttributeIndex,
  outer: AttributeIndex,
  type: number,
  littleEndian: boolean,
): boolean {
  const nested = sliceAttribute(outer, type);
  return nested !== null && indexAttributes(index, nested.bytes, nested.start, nested.end, littleEndian);
}

function address(v4: number, v6: number): string | null {
  const four = sliceAttribute(addressAttributes, v4);
  if (four !== null) return four.end - four.start === 4 ? ipv4FromBytes(four.bytes, four.start) : null;
  const six = sliceAttribute(addressAttributes, v6);
  return six !== null && six.end - six.start === 16 ? ipv6FromBytes(six.bytes, six.start) : null;
}

function decodeIcmp(): FlowTuple["icmp"] {
  const type =
    u8Attribute(protocolAttributes, CTA_PROTO_ICMP_TYPE) ??
    u8Attribute(protocolAttributes, CTA_PROTO_ICMPV6_TYPE);
  if (type === null) return null;
  const code =
    u8Attribute(protocolAttributes, CTA_PROTO_ICMP_CODE) ??
    u8Attribute(protocolAttributes, CTA_PROTO_ICMPV6_CODE);
  const id =
    u16Attribute(protocolAttributes, CTA_PROTO_ICMP_ID) ??
    u16Attribute(protocolAttributes, CTA_PROTO_ICMPV6_ID);
  return { type, code: code ?? 0, id: id ?? 0 };
}

function decodeState(littleEndian: boolean): string | null {
  if (!indexNested(infoAttributes, attributes, CTA_PROTOINFO, littleEndian)) return null;
  for (const protocol of [1, 2, 3]) {
    if (!indexNested(stateAttributes, infoAttributes, protocol, littleEndian)) continue;
    const state = u8Attribute(stateAttributes, PROTOINFO_STATE);
    if (state !== null) return STATES[protocol]?.[state] ?? String(state);
  }
  return null;
}
