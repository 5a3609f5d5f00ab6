/**
 * Datagrams of a netfilter netlink socket, and what each message in them is about.
 *
 * One socket can be a member of NFNLGRP_NFTRACE and hold an nfnetlink_log group at once. Then nft's and legacy
 * iptables' steps of a packet arrive in the order in which the kernel took them, which no pair of sockets can promise.
 */
import type { Time } from "../../../base/time.ts";
import type { Slice } from "../../../packets/decode/bytes.ts";
import type { Event, FlowEvent, UnparsedEvent } from "../../event.ts";
import { hostU16, hostU32 } from "./attributes.ts";
import { decodeConntrack } from "./conntrack.ts";
import type { NetlinkContext } from "./context.ts";
import { decodeGeneration, noteChangedTable } from "./generation.ts";
import { decodeNflog } from "./nflog.ts";
import { decodeNftrace } from "./nftrace.ts";

/** `struct nlmsghdr` */
const MESSAGE_HEADER = 16;

/** `(subsystem << 8) | message`: NFNL_SUBSYS_NFTABLES 10, NFNL_SUBSYS_ULOG 4, NFNL_SUBSYS_CTNETLINK 1. */
const NFT_TRACE = 0x0a11;
const NFT_NEW_GENERATION = 0x0a0f;
const NFLOG_PACKET = 0x0400;
const CONNTRACK_NEW = 0x0100;
const CONNTRACK_DELETE = 0x0102;

const SUBSYSTEM = 0xff00;
const NFTABLES = 0x0a00;

const NLM_F_MULTI = 0x2;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;

/**
 * Adds the events of one datagram to `events`. Messages of other kinds give nothing; one that does not fit gives an `unparsed` event, and so
 * does what stands behind it. Never throws.
 */
export function decodeNetfilterDatagram(
  datagram: Slice,
  time: Time | null,
  context: NetlinkContext,
  events: Event[],
): void {
  const { bytes, end } = datagram;
  let at = datagram.start;
  while (at < end) {
    if (at + MESSAGE_HEADER > end) {
      events.push(cutDatagram(time, context, `${end - at} bytes are too few for a netlink header`));
      break;
    }
    const length = hostU32(bytes, at, context.littleEndian);
    if (length < MESSAGE_HEADER || at + length > end) {
      const reason = `a netlink message says it has ${length} bytes, ${end - at} are there`;
      events.push(cutDatagram(time, context, reason));
      break;
    }
    const type = hostU16(bytes, at + 4, context.littleEndian);
    const body = { bytes, start: at + MESSAGE_HEADER, end: at + length };
    if (type === NFT_TRACE) events.push(decodeNftrace(body, time, context));
    else if (type === NFLOG_PACKET) events.push(decodeNflog(body, time, context));
    else if (type === CONNTRACK_NEW || type === CONNTRACK_DELETE) {
      const flags = hostU16(bytes, at + 6, context.littleEndian);
      events.push(decodeConntrack(body, whatHappened(type, flags), time, context));
    } else if (type === NFT_NEW_GENERATION) events.push(decodeGeneration(body, time, context));
    else if ((type & SUBSYSTEM) === NFTABLES) noteChangedTable(body, context);
    at += (length + 3) & ~3;
  }
}

/** A message of a dump has NLM_F_MULTI; an event of a new connection the flags of a request that creates one. */
function whatHappened(type: number, flags: number): FlowEvent["what"] {
  if (type === CONNTRACK_DELETE) return "destroy";
  if ((flags & NLM_F_MULTI) !== 0) return "listed";
  return (flags & (NLM_F_CREATE | NLM_F_EXCL)) !== 0 ? "new" : "update";
}

function cutDatagram(time: Time | null, context: NetlinkContext, reason: string): UnparsedEvent {
  return {
    kind: "unparsed",
    origin: { input: "netlink", line: null, raw: "" },
    time,
    netns: context.netns,
    reason,
  };
}
