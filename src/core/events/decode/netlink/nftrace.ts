/**
 * nft's trace messages: `net/netfilter/nf_tables_trace.c`, `nft_trace_notify`.
 *
 * The headers, interfaces and conntrack attributes come once a base chain, with its first message. Linux 6.18 sends the
 * end of a chain as a rule without a handle (type 3), older ones as a return (type 2); both are read.
 */
import type { Time } from "../../../base/time.ts";
import { type Family, familyOfNumber, type PacketFamily } from "../../../netfilter/family.ts";
import type { Verdict } from "../../../netfilter/verdict.ts";
import type { Slice } from "../../../packets/decode/bytes.ts";
import { decodeLink } from "../../../packets/decode/link.ts";
import { decodeHeaders } from "../../../packets/decode/packet.ts";
import type { ConntrackView, Sighting, StepEvent, StepKind, UnparsedEvent } from "../../event.ts";
import {
  emptyIndex,
  has,
  indexAttributes,
  sliceAttribute,
  textAttribute,
  u8Attribute,
  u16Attribute,
  u32Attribute,
  u64Attribute,
} from "./attributes.ts";
import { isTemplate, statusWords } from "./conntrack-status.ts";
import { interfaceName, type NetlinkContext } from "./context.ts";

/** `include/uapi/linux/netfilter/nf_tables.h`, `enum nft_trace_attributes` */
const NFTA_TRACE_TABLE = 1;
const NFTA_TRACE_CHAIN = 2;
const NFTA_TRACE_RULE_HANDLE = 3;
const NFTA_TRACE_TYPE = 4;
const NFTA_TRACE_VERDICT = 5;
const NFTA_TRACE_ID = 6;
const NFTA_TRACE_LL_HEADER = 7;
const NFTA_TRACE_NETWORK_HEADER = 8;
const NFTA_TRACE_TRANSPORT_HEADER = 9;
const NFTA_TRACE_IIF = 10;
const NFTA_TRACE_IIFTYPE = 11;
const NFTA_TRACE_OIF = 12;
const NFTA_TRACE_OIFTYPE = 13;
const NFTA_TRACE_MARK = 14;
const NFTA_TRACE_NFPROTO = 15;
const NFTA_TRACE_POLICY = 16;
/** Linux 6.16 and later. */
const NFTA_TRACE_CT_ID = 18;
const NFTA_TRACE_CT_DIRECTION = 19;
const NFTA_TRACE_CT_STATUS = 20;
const NFTA_TRACE_CT_STATE = 21;

const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;

const NFT_TRACETYPE_POLICY = 1;

/** `struct nfgenmsg` */
const NETFILTER_HEADER = 4;

const attributes = emptyIndex();
const verdictAttributes = emptyIndex();

/** The step that one NFT_MSG_TRACE tells. `body` starts behind the netlink header. Never throws. */
export function decodeNftrace(
  body: Slice,
  time: Time | null,
  context: NetlinkContext,
): StepEvent | UnparsedEvent {
  if (body.end - body.start < NETFILTER_HEADER) return unparsed("it ends before its family", time, context);
  const start = body.start + NETFILTER_HEADER;
  if (!indexAttributes(attributes, body.bytes, start, body.end, context.littleEndian)) {
    return unparsed("an attribute is longer than the message", time, context);
  }
  const familyNumber = body.bytes[body.start] as number;
  const family = familyOfNumber(familyNumber);
  if (family === null) return unparsed(`family ${familyNumber} is unknown`, time, context);
  const table = textAttribute(attributes, NFTA_TRACE_TABLE);
  const chain = textAttribute(attributes, NFTA_TRACE_CHAIN);
  if (table === null || chain === null) return unparsed("it names no table or no chain", time, context);
  const verdict = decodeVerdict(context);
  if (verdict.toChain !== null) context.jumpedTo.add(`${family} ${table} ${verdict.toChain}`);
  const handle = u64Attribute(attributes, NFTA_TRACE_RULE_HANDLE);
  return {
    kind: "step",
    origin: ORIGIN,
    time,
    netns: context.netns,
    tracer: "nft",
    family,
    table,
    chain,
    step: stepKind(handle, verdict.verdict, context.jumpedTo.has(`${family} ${table} ${chain}`)),
    number: null,
    handle,
    verdict: verdict.verdict,
    toChain: verdict.toChain,
    ruleText: null,
    traceId: u32Attribute(attributes, NFTA_TRACE_ID),
    sighting: decodeSighting(family, context),
    mark: u32Attribute(attributes, NFTA_TRACE_MARK),
    conntrack: decodeConntrack(),
  };
}

const ORIGIN = { input: "nftrace", line: null, raw: "" } as const;

function unparsed(reason: string, time: Time | null, context: NetlinkContext): UnparsedEvent {
  return {
    kind: "unparsed",
    origin: ORIGIN,
    time,
    netns: context.netns,
    reason: `nft trace message: ${reason}`,
  };
}

function stepKind(handle: bigint | null, verdict: Verdict | null, wasJumpedTo: boolean): StepKind {
  if (isPolicy()) return "policy";
  if (handle !== null) return "rule";
  return wasJumpedTo || verdict === "return" ? "return" : "end";
}

function isPolicy(): boolean {
  return (
    u32Attribute(attributes, NFTA_TRACE_TYPE) === NFT_TRACETYPE_POLICY || has(attributes, NFTA_TRACE_POLICY)
  );
}

interface DecodedVerdict {
  readonly verdict: Verdict | null;
  readonly toChain: string | null;
}

const NO_VERDICT: DecodedVerdict = { verdict: null, toChain: null };

function decodeVerdict(context: NetlinkContext): DecodedVerdict {
  if (isPolicy()) {
    return { verdict: verdictOf(u32Attribute(attributes, NFTA_TRACE_POLICY)), toChain: null };
  }
  const nested = sliceAttribute(attributes, NFTA_TRACE_VERDICT);
  if (nested === null) return NO_VERDICT;
  if (!indexAttributes(verdictAttributes, nested.bytes, nested.start, nested.end, context.littleEndian)) {
    return NO_VERDICT;
  }
  return {
    verdict: verdictOf(u32Attribute(verdictAttributes, NFTA_VERDICT_CODE)),
    toChain: textAttribute(verdictAttributes, NFTA_VERDICT_CHAIN),
  };
}

/** nft's own codes are negative (`enum nft_verdicts`); netfilter's carry a queue or errno above the low octet. */
function verdictOf(code: number | null): Verdict | null {
  if (code === null) return null;
  switch (code | 0) {
    case -1: // NFT_CONTINUE
    case -2: // NFT_BREAK: the rule's remaining expressions are skipped, and the next rule is looked at
      return "continue";
    case -3:
      return "jump";
    case -4:
      return "goto";
    case -5:
      return "return";
  }
  switch (code & 0xff) {
    case 0:
      return "drop";
    case 1:
      return "accept";
    case 2:
      return "stolen";
    case 3:
      return "queue";
    case 4:
      return "repeat";
    default:
      return null;
  }
}

function decodeSighting(family: Family, context: NetlinkContext): Sighting | null {
  const told = sliceAttribute(attributes, NFTA_TRACE_NETWORK_HEADER);
  const network = told ?? laterFragment(sliceAttribute(attributes, NFTA_TRACE_TRANSPORT_HEADER));
  if (network === null) return null;
  const linkBytes = sliceAttribute(attributes, NFTA_TRACE_LL_HEADER);
  const deviceType =
    u16Attribute(attributes, NFTA_TRACE_IIFTYPE) ?? u16Attribute(attributes, NFTA_TRACE_OIFTYPE);
  return {
    packet: decodeHeaders(
      {
        link: linkBytes === null ? null : decodeLink(linkBytes, deviceType),
        network,
        transport:
          (told === null ? null : sliceAttribute(attributes, NFTA_TRACE_TRANSPORT_HEADER)) ??
          nothingAfter(network),
        etherType: null,
      },
      packetFamily(family),
    ),
    in: interfaceName(context, u32Attribute(attributes, NFTA_TRACE_IIF)),
    out: interfaceName(context, u32Attribute(attributes, NFTA_TRACE_OIF)),
    physIn: null,
    physOut: null,
    mark: u32Attribute(attributes, NFTA_TRACE_MARK),
    uid: null,
    gid: null,
  };
}

/** The network header is cut at its own end (or at 40 bytes): no transport header can follow it in the same copy. */
function nothingAfter(network: Slice): Slice {
  return { bytes: network.bytes, start: network.end, end: network.end };
}

/**
 * Of an IPv6 fragment that is not the first, `nf_trace_fill_pkt_info` finds no transport header, tells of no network header, and calls the first 20
 * bytes of it the transport header (seen on Linux 6.18).
 */
function laterFragment(header: Slice | null): Slice | null {
  if (header === null || header.end - header.start < 8) return null;
  const version = (header.bytes[header.start] ?? 0) >> 4;
  return version === 6 && header.bytes[header.start + 6] === IPV6_FRAGMENT ? header : null;
}

const IPV6_FRAGMENT = 44;

/** An inet table's packets are IPv4 or IPv6, and the message says which. */
function packetFamily(table: Family): PacketFamily {
  const packet = familyOfNumber(u32Attribute(attributes, NFTA_TRACE_NFPROTO) ?? 0) ?? table;
  return packet === "inet" ? "netdev" : packet;
}

/** `NF_CT_STATE_*_BIT` */
const STATES: Readonly<Record<number, string>> = {
  1: "invalid",
  2: "established",
  4: "related",
  8: "new",
  64: "untracked",
};

function decodeConntrack(): ConntrackView | null {
  const state = u32Attribute(attributes, NFTA_TRACE_CT_STATE);
  const id = u32Attribute(attributes, NFTA_TRACE_CT_ID);
  const status = u32Attribute(attributes, NFTA_TRACE_CT_STATUS);
  if ((state === null && id === null) || isTemplate(status)) return null;
  const direction = u8Attribute(attributes, NFTA_TRACE_CT_DIRECTION);
  return {
    id,
    direction: direction === null ? null : direction === 0 ? "original" : "reply",
    state: state === null ? null : (STATES[state] ?? `0x${state.toString(16)}`),
    status: statusWords(status ?? 0),
  };
}
