/** Frames as they are, out of an interface of the namespace that this process is in. */
import { closeSync } from "node:fs";
import { bind, interfaceIndex, SOCK_CLOEXEC, SOCK_RAW, send, socket } from "./libc.ts";
import { writeU16, writeU32 } from "./netlink.ts";

const AF_PACKET = 17;

/** Throws `SystemCallError`. Protocol 0: nothing is ever received. */
export function sendFrames(link: string, frames: readonly Uint8Array[]): void {
  const fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  try {
    bind(fd, linkAddress(interfaceIndex(link)));
    for (const frame of frames) send(fd, frame);
  } finally {
    closeSync(fd);
  }
}

/** `struct sockaddr_ll`, in the host's order. */
function linkAddress(index: number): Buffer {
  const address = Buffer.alloc(20);
  writeU16(address, AF_PACKET, 0);
  writeU32(address, index, 4);
  return address;
}
