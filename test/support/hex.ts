/** Bytes written as hexadecimal, blanks and line ends between them as one likes. */
export function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replace(/\s+/g, ""), "hex"));
}
