/**
 * Netlink sockets: opening, asking, and what the kernel says it could not deliver.
 *
 * When a socket's buffer is full the kernel says ENOBUFS once, and then delivers nothing more until the reader has taken
 * everything that was queued (NETLINK_S_CONGESTED, `net/netlink/af_netlink.c`). So the hole is exactly behind what is
 * queued, and the socket's drop counter tells its size.
 */
import { closeSync } from "node:fs";
import {
  AF_NETLINK,
  bind,
  getsockopt,
  MSG_DONTWAIT,
  poll,
  recv,
  SO_MEMINFO,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  SystemCallError,
  send,
  setsockopt,
  socket,
} from "./libc.ts";
import {
  hostU32,
  NLM_F_ACK,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  NLMSG_HEADER,
  netlinkMessage,
  readI32,
  readU16,
  readU32,
} from "./netlink.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const NETLINK_ADD_MEMBERSHIP = 1;
const ACK_WAIT_MS = 2000;

/** File descriptor of a netlink socket in the calling thread's network namespace. Throws `SystemCallError`. */
export function openNetlink(protocol: number): number {
  const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  const address = Buffer.alloc(12);
  address.set(hostU16Family(), 0);
  bind(fd, address);
  return fd;
}

function hostU16Family(): Uint8Array {
  return new Uint8Array(new Uint16Array([AF_NETLINK]).buffer);
}

export function closeNetlink(fd: number): void {
  closeSync(fd);
}

export function joinGroup(fd: number, group: number): void {
  setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, hostU32(group));
}

/** Sends a message whose answers the caller reads. Throws `SystemCallError`. */
export function sendNetlink(fd: number, message: Uint8Array): void {
  send(fd, message);
}

/** Asks for a receive buffer beyond `net.core.rmem_max`; needs CAP_NET_ADMIN. */
export function setReceiveBuffer(fd: number, bytes: number): void {
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, hostU32(bytes));
}

/** Messages that the kernel has dropped at this socket since it was opened; null before Linux 4.12. */
export function droppedMessages(fd: number): number | null {
  const words = Buffer.alloc(36);
  try {
    const length = getsockopt(fd, SOL_SOCKET, SO_MEMINFO, words);
    return length >= 36 ? readU32(words, 32) : null;
  } catch (error) {
    if (error instanceof SystemCallError) return null;
    throw error;
  }
}

/**
 * Sends one request and waits for the kernel's answer to it. Throws `SystemCallError` with the kernel's errno. Other
 * messages that come meanwhile are handed to `others`.
 */
export function request(
  fd: number,
  type: number,
  sequence: number,
  body: Uint8Array,
  others: (datagram: Buffer) => void,
): void {
  send(fd, netlinkMessage(type, NLM_F_REQUEST | NLM_F_ACK, sequence, body));
  const buffer = Buffer.alloc(65_536);
  const deadline = performance.now() + ACK_WAIT_MS;
  while (performance.now() < deadline) {
    const length = recv(fd, buffer, MSG_DONTWAIT);
    if (length === 0) {
      poll([fd], Math.max(1, deadline - performance.now()));
      continue;
    }
    const isAnswer =
      length >= NLMSG_HEADER + 4 && readU16(buffer, 4) === NLMSG_ERROR && readU32(buffer, 8) === sequence;
    if (!isAnswer) {
      others(Buffer.from(buffer.subarray(0, length)));
      continue;
    }
    const errno = -readI32(buffer, NLMSG_HEADER);
    if (errno !== 0) throw new SystemCallError("netlink request", errno);
    return;
  }
  throw new Error("the kernel did not answer a netlink request");
}
