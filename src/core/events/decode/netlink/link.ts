/**
 * rtnetlink's messages about interfaces: which name an index has, from when on.
 *
 * Trace messages name interfaces by index only. An interface may be gone when its last packet is read, so the names are
 * taken from the kernel's announcements, and a deleted interface keeps its name.
 */
import type { Slice } from "../../../packets/decode/bytes.ts";
import { emptyIndex, hostU16, hostU32, indexAttributes, textAttribute } from "./attributes.ts";

/** `include/uapi/linux/rtnetlink.h` */
const RTM_NEWLINK = 16;
const IFLA_IFNAME = 3;
const MESSAGE_HEADER = 16;
/** `struct ifinfomsg` */
const INTERFACE_HEADER = 16;

export interface LinkName {
  readonly index: number;
  readonly name: string;
}

const attributes = emptyIndex();

/** The interfaces that a datagram of rtnetlink announces or renames. Other messages, and damaged ones, give nothing. */
export function decodeLinkNames(datagram: Slice, littleEndian: boolean): readonly LinkName[] {
  const { bytes, end } = datagram;
  const names: LinkName[] = [];
  let at = datagram.start;
  while (at + MESSAGE_HEADER + INTERFACE_HEADER <= end) {
    const length = hostU32(bytes, at, littleEndian);
    if (length < MESSAGE_HEADER || at + length > end) break;
    const start = at + MESSAGE_HEADER + INTERFACE_HEADER;
    if (
      hostU16(bytes, at + 4, littleEndian) === RTM_NEWLINK &&
      start <= at + length &&
      indexAttributes(attributes, bytes, start, at + length, littleEndian)
    ) {
      const name = textAttribute(attributes, IFLA_IFNAME);
      if (name !== null) names.push({ index: hostU32(bytes, at + MESSAGE_HEADER + 4, littleEndian), name });
    }
    at += (length + 3) & ~3;
  }
  return names;
}
