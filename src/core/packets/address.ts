/**
 * Addresses as text, the one form the whole program compares and shows.
 *
 * The kernel log prints IPv6 addresses in full (`%pI6`), nft compresses them, and netlink hands over bytes: all end
 * here as RFC 5952 text, so that equal addresses are equal strings.
 */

/** Dotted quad of 4 bytes at `offset`. */
export function ipv4FromBytes(bytes: Uint8Array, offset: number): string {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
}

/** RFC 5952 text of 16 bytes at `offset`: lower case, the longest run of zero groups (the first of equals) as `::`. */
export function ipv6FromBytes(bytes: Uint8Array, offset: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[offset + i] ?? 0) << 8) | (bytes[offset + i + 1] ?? 0));
  return compressGroups(groups);
}

/** `02:42:ac:12:00:02` of 6 bytes at `offset`. */
export function macFromBytes(bytes: Uint8Array, offset: number): string {
  let text = "";
  for (let i = 0; i < 6; i++)
    text += (i === 0 ? "" : ":") + (bytes[offset + i] ?? 0).toString(16).padStart(2, "0");
  return text;
}

/**
 * The canonical text of an IPv6 address in any spelling, zone and brackets excluded; null when it is none.
 * An IPv4 tail (`::ffff:10.0.0.1`) is understood and printed as groups.
 */
export function canonicalIpv6(text: string): string | null {
  const groups = parseIpv6(text);
  return groups === null ? null : compressGroups(groups);
}

/** The eight 16-bit groups of an IPv6 address; null when the text is none. */
export function parseIpv6(text: string): number[] | null {
  let rest = text;
  const tail: number[] = [];
  const dot = rest.indexOf(".");
  if (dot !== -1) {
    const colon = rest.lastIndexOf(":");
    const quad = parseIpv4(rest.slice(colon + 1));
    if (colon === -1 || quad === null) return null;
    tail.push(quad >>> 16, quad & 0xffff);
    rest = rest.slice(0, colon + 1);
    if (!rest.endsWith("::")) rest = rest.slice(0, -1);
  }
  const halves = rest.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? "");
  const back = halves.length === 2 ? parseGroups(halves[1] ?? "") : [];
  if (head === null || back === null) return null;
  const given = head.length + back.length + tail.length;
  if (halves.length === 1) return given === 8 ? [...head, ...tail] : null;
  if (given > 7) return null;
  return [...head, ...new Array<number>(8 - given).fill(0), ...back, ...tail];
}

/** The 32-bit value of a dotted quad; null when the text is none. Leading zeros are refused: they once meant octal. */
export function parseIpv4(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    value = value * 256 + Number(part);
  }
  return value;
}

function parseGroups(text: string): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  for (const part of text.split(":")) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null;
    groups.push(Number.parseInt(part, 16));
  }
  return groups;
}

function compressGroups(groups: readonly number[]): string {
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > bestLength) {
      bestStart = start;
      bestLength = length;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestStart === -1) return hex.join(":");
  return `${hex.slice(0, bestStart).join(":")}::${hex.slice(bestStart + bestLength).join(":")}`;
}
