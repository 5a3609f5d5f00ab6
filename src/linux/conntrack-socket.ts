/**
 * Conntrack's events, and what it has translated so far: `net/netfilter/nf_conntrack_netlink.c`.
 *
 * Listening never switches conntrack on: that is done by rules which ask for it. But joining its groups loads
 * nf_conntrack_netlink, and nf_conntrack with it, where they are modules; so whether conntrack is there is looked at first.
 * While somebody listens, every connection that begins carries a few bytes more and makes its events (`nf_conntrack_events=2`).
 */
import { MSG_DONTWAIT, poll, recv } from "./libc.ts";
import {
  attribute,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  NLMSG_HEADER,
  netlinkMessage,
  readU16,
  readU32,
} from "./netlink.ts";
import {
  closeNetlink,
  joinGroup,
  NETLINK_NETFILTER,
  openNetlink,
  sendNetlink,
  setReceiveBuffer,
} from "./netlink-socket.ts";
import { readSysctl } from "./sysctl.ts";

const NFNLGRP_CONNTRACK_NEW = 1;
const NFNLGRP_CONNTRACK_UPDATE = 2;
const NFNLGRP_CONNTRACK_DESTROY = 3;

/** `(NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET` */
const GET = 0x0101;
const CTA_STATUS = 3;
/** Linux 5.19 and later; older ones pass over it and list everything. */
const CTA_STATUS_MASK = 26;
const IPS_SRC_NAT = 0x10;
const IPS_DST_NAT = 0x20;

const NLMSG_DONE = 3;
const DUMP_BUFFER = 65_536;
const ANSWER_WAIT_MS = 1_000;

/** Whether the calling thread's namespace has conntrack, in use or not. */
export function hasConntrack(): boolean {
  return readSysctl("net.netfilter.nf_conntrack_count") !== null;
}

/** A socket in the calling thread's namespace that hears of connections. Throws `SystemCallError`. */
export function openConntrackEvents(receiveBuffer: number): number {
  const fd = openNetlink(NETLINK_NETFILTER);
  try {
    setReceiveBuffer(fd, receiveBuffer);
    for (const group of [NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_CONNTRACK_DESTROY])
      joinGroup(fd, group);
    return fd;
  } catch (error) {
    closeNetlink(fd);
    throw error;
  }
}

/**
 * Hands over the datagrams that list the translated connections there are: those make no event any more. False when the
 * kernel stopped before its end. Throws `SystemCallError`.
 */
export function listTranslated(take: (datagram: Buffer) => void): boolean {
  return [IPS_SRC_NAT, IPS_DST_NAT].every((status) => list(status, take));
}

function list(status: number, take: (datagram: Buffer) => void): boolean {
  const fd = openNetlink(NETLINK_NETFILTER);
  try {
    const bits = Buffer.alloc(4);
    bits.writeUInt32BE(status);
    const body = Buffer.concat([
      Buffer.alloc(4),
      attribute(CTA_STATUS, bits),
      attribute(CTA_STATUS_MASK, bits),
    ]);
    sendNetlink(fd, netlinkMessage(GET, NLM_F_REQUEST | NLM_F_DUMP, 1, body));
    const buffer = Buffer.alloc(DUMP_BUFFER);
    for (;;) {
      const length = recv(fd, buffer, MSG_DONTWAIT);
      if (length === 0) {
        if (poll([fd], ANSWER_WAIT_MS)[0] === 0) return false;
        continue;
      }
      const datagram = buffer.subarray(0, length);
      take(datagram);
      const end = endOfList(datagram);
      if (end !== null) return end === NLMSG_DONE;
    }
  } finally {
    closeNetlink(fd);
  }
}

/** The message that ends a list stands alone or behind the last of its entries; null: there is more to come. */
function endOfList(datagram: Buffer): number | null {
  let at = 0;
  while (at + NLMSG_HEADER <= datagram.length) {
    const type = readU16(datagram, at + 4);
    if (type === NLMSG_DONE || type === NLMSG_ERROR) return type;
    at += Math.max(NLMSG_HEADER, (readU32(datagram, at) + 3) & ~3);
  }
  return null;
}
