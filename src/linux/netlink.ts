/** Netlink messages to send: header, attributes, in the host's byte order. The other direction is decoded in core. */
import { IS_LITTLE_ENDIAN } from "./libc.ts";

export const NLMSG_ERROR = 2;
export const NLMSG_HEADER = 16;

export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_DUMP = 0x300;

/** `struct nlmsghdr` and a body. */
export function netlinkMessage(type: number, flags: number, sequence: number, body: Uint8Array): Buffer {
  const message = Buffer.alloc(NLMSG_HEADER + body.length);
  writeU32(message, message.length, 0);
  writeU16(message, type, 4);
  writeU16(message, flags, 6);
  writeU32(message, sequence, 8);
  message.set(body, NLMSG_HEADER);
  return message;
}

/** One attribute, padded to four bytes. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const buffer = Buffer.alloc((4 + value.length + 3) & ~3);
  writeU16(buffer, 4 + value.length, 0);
  writeU16(buffer, type, 2);
  buffer.set(value, 4);
  return buffer;
}

/** 32 bits in the host's order: socket options, and fields that are not netfilter's. */
export function hostU32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  writeU32(buffer, value, 0);
  return buffer;
}

export function writeU16(buffer: Buffer, value: number, at: number): void {
  if (IS_LITTLE_ENDIAN) buffer.writeUInt16LE(value, at);
  else buffer.writeUInt16BE(value, at);
}

export function writeU32(buffer: Buffer, value: number, at: number): void {
  if (IS_LITTLE_ENDIAN) buffer.writeUInt32LE(value, at);
  else buffer.writeUInt32BE(value, at);
}

export function readU16(buffer: Buffer, at: number): number {
  return IS_LITTLE_ENDIAN ? buffer.readUInt16LE(at) : buffer.readUInt16BE(at);
}

export function readU32(buffer: Buffer, at: number): number {
  return IS_LITTLE_ENDIAN ? buffer.readUInt32LE(at) : buffer.readUInt32BE(at);
}

export function readI32(buffer: Buffer, at: number): number {
  return IS_LITTLE_ENDIAN ? buffer.readInt32LE(at) : buffer.readInt32BE(at);
}
