/**
 * Following the interfaces of a namespace: rtnetlink tells those there are, then every new one and every new name.
 *
 * The datagrams are passed on as they come; `core/events/decode/netlink/link.ts` reads the names out of them.
 */
import { send } from "./libc.ts";
import { NLM_F_DUMP, NLM_F_REQUEST, netlinkMessage } from "./netlink.ts";
import { joinGroup, NETLINK_ROUTE, openNetlink } from "./netlink-socket.ts";

const RTM_GETLINK = 18;
const RTNLGRP_LINK = 1;
/** `struct ifinfomsg`, all zero: every family, every interface. */
const EVERY_INTERFACE = Buffer.alloc(16);

/**
 * File descriptor that delivers the interfaces of the calling thread's namespace, present and future. The group is joined
 * before the question is asked, so none can slip in between.
 */
export function openLinkMonitor(): number {
  const fd = openNetlink(NETLINK_ROUTE);
  joinGroup(fd, RTNLGRP_LINK);
  send(fd, netlinkMessage(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, EVERY_INTERFACE));
  return fd;
}
