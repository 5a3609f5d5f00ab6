/**
 * Following the interfaces of a namespace: rtnetlink tells those there are, then every new one and every new name.
 *
 * The datagrams of the monitor are passed on as they come; `core/events/decode/netlink/link.ts` reads the names out of them.
 */

import { readFileSync } from "node:fs";
import { decodeLinkNames } from "../core/events/decode/netlink/link.ts";
import { send } from "./libc.ts";
import { NLM_F_DUMP, NLM_F_REQUEST, netlinkMessage } from "./netlink.ts";
import { dump } from "./netlink-dump.ts";
import { closeNetlink, joinGroup, NETLINK_ROUTE, openNetlink } from "./netlink-socket.ts";
import { inNetns } from "./netns.ts";

const RTM_GETLINK = 18;
const RTNLGRP_LINK = 1;
/** `struct ifinfomsg`, all zero: every family, every interface. */
const EVERY_INTERFACE = Buffer.alloc(16);

/** Every interface of the calling thread's namespace, those that are down included. */
export function interfaceNames(): string[] {
  return readFileSync("/proc/thread-self/net/dev", "utf8")
    .split("\n")
    .slice(2)
    .map((line) => /^\s*(\S+?):\s*\d/.exec(line)?.[1] ?? "")
    .filter((name) => name !== "");
}

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

/** Names by index of the interfaces that a namespace has now. Throws `SystemCallError`. */
export function readInterfaceNames(netns: string | null): ReadonlyMap<number, string> {
  const fd = inNetns(netns, () => openNetlink(NETLINK_ROUTE));
  try {
    const links = dump(fd, RTM_GETLINK, EVERY_INTERFACE).flatMap((bytes) =>
      decodeLinkNames({ bytes, start: 0, end: bytes.length }, IS_LITTLE_ENDIAN),
    );
    return new Map(links.map(({ index, name }) => [index, name]));
  } finally {
    closeNetlink(fd);
  }
}

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
