/**
 * What is in a tar (POSIX ustar, and what GNU tar and busybox make of it for short names), without unpacking it.
 *
 * Only regular files count. Names serve to find a file in the archive and never one on this machine. A name longer than a
 * header holds comes in an extra entry before its own; such entries are passed over, and their file with its cut name.
 */
import { readSync } from "node:fs";

export interface TarEntry {
  /** As archived, without `./` in front. */
  readonly name: string;
  /** Of the content, in the archive's bytes. */
  readonly offset: number;
  readonly size: number;
}

const BLOCK = 512;
const MOST_ENTRIES = 10_000;

/** Whether a file's first 512 bytes are a tar's first header. */
export function isTarHeader(block: Uint8Array): boolean {
  return block.length >= BLOCK && Buffer.from(block.subarray(257, 262)).toString("latin1") === "ustar";
}

/** Reads the headers of an open archive of `size` bytes; null when one of them is none, or does not fit. */
export function readTar(file: number, size: number): TarEntry[] | null {
  const entries: TarEntry[] = [];
  const header = Buffer.alloc(BLOCK);
  for (let at = 0; at + BLOCK <= size; ) {
    readSync(file, header, 0, BLOCK, at);
    if (header.every((byte) => byte === 0)) return entries;
    const length = octal(header.subarray(124, 136));
    if (!isTarHeader(header) || length === null || entries.length === MOST_ENTRIES) return null;
    const offset = at + BLOCK;
    if (offset + length > size) return null;
    const type = String.fromCharCode(header[156] as number);
    if (type === "0" || type === "\0") entries.push({ name: nameOf(header), offset, size: length });
    at = offset + Math.ceil(length / BLOCK) * BLOCK;
  }
  return entries;
}

function nameOf(header: Buffer): string {
  const name = text(header.subarray(0, 100));
  const prefix = header[263] === 0x20 ? "" : text(header.subarray(345, 500));
  return (prefix === "" ? name : `${prefix}/${name}`).replace(/^(\.\/)+/, "");
}

function text(field: Buffer): string {
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? undefined : end).toString("utf8");
}

function octal(field: Buffer): number | null {
  const digits = text(field).trim();
  return /^[0-7]{1,11}$/.test(digits) ? Number.parseInt(digits, 8) : null;
}
