/** One UDP datagram over IPv4, sent at once and by the calling thread: so it can be sent from inside a namespace. */
import { closeSync } from "node:fs";
import { AF_INET, connect, SOCK_CLOEXEC, SOCK_DGRAM, send, socket } from "./libc.ts";
import { writeU16 } from "./netlink.ts";

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

/** `struct sockaddr_in`: the family in the host's order, the rest in the network's. */
function socketAddress(address: string, port: number): Buffer {
  const buffer = Buffer.alloc(16);
  writeU16(buffer, AF_INET, 0);
  buffer.writeUInt16BE(port, 2);
  buffer.set(address.split(".").map(Number), 4);
  return buffer;
}
