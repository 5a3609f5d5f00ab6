/** UDP over IPv4, at once and by the calling thread: so it can be done from inside a namespace. */
import { closeSync } from "node:fs";
import {
  AF_INET,
  bind,
  connect,
  SO_RCVBUF,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
  send,
  setsockopt,
  socket,
} from "./libc.ts";
import { hostU32, writeU16 } from "./netlink.ts";

/** Nobody needs to listen. Throws `SystemCallError`: ENETUNREACH when the interface is down, EPERM when OUTPUT drops it. */
export function sendDatagram(address: string, port: number, payload: string): void {
  const fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    connect(fd, socketAddress(address, port));
    send(fd, Buffer.from(payload));
  } finally {
    closeSync(fd);
  }
}

/** File descriptor of a socket that has the smallest buffer there is, and that nobody reads. */
export function openDeafSocket(port: number): number {
  const fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, hostU32(1));
  bind(fd, socketAddress("0.0.0.0", port));
  return fd;
}

/** `struct sockaddr_in`: the family in the host's order, the rest in the network's. */
function socketAddress(address: string, port: number): Buffer {
  const buffer = Buffer.alloc(16);
  writeU16(buffer, AF_INET, 0);
  buffer.writeUInt16BE(port, 2);
  buffer.set(address.split(".").map(Number), 4);
  return buffer;
}
