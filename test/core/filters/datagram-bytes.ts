/** Writes the packets of `generators.ts` as bytes, and captures and Ethernet frames around them. */
import { addressBytes, type Datagram, lengthOf } from "./generators.ts";

/** From the IP header on. Checksums above IP are left zero: nothing here looks at them. */
export function datagramBytes(datagram: Datagram): Uint8Array {
  return datagram.family === "ip" ? ipv4Bytes(datagram) : ipv6Bytes(datagram);
}

function ipv4Bytes(datagram: Datagram): Uint8Array {
  const { options, fragment, protocol } = datagram;
  const bytes = new Uint8Array(lengthOf(datagram));
  const view = new DataView(bytes.buffer);
  const headerLength = 20 + options;
  bytes[0] = 0x40 | (headerLength / 4);
  view.setUint16(2, bytes.length);
  view.setUint16(6, (fragment?.more ? 0x2000 : 0) | ((fragment?.offset ?? 0) / 8));
  bytes[8] = 64;
  bytes[9] = protocol;
  bytes.set(addressBytes(datagram.src), 12);
  bytes.set(addressBytes(datagram.dst), 16);
  bytes.fill(1, 20, headerLength); // no-operation options
  let sum = 0;
  for (let i = 0; i < headerLength; i += 2) sum += view.getUint16(i);
  view.setUint16(10, ~((sum & 0xffff) + (sum >> 16)));
  bytes.set(payloadBytes(datagram), headerLength);
  return bytes;
}

function ipv6Bytes(datagram: Datagram): Uint8Array {
  const { extension, fragment, protocol } = datagram;
  const bytes = new Uint8Array(lengthOf(datagram));
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x60;
  view.setUint16(4, bytes.length - 40);
  const behindExtension = fragment === null ? protocol : 44;
  bytes[6] = extension ?? behindExtension;
  bytes[7] = 64;
  bytes.set(addressBytes(datagram.src), 8);
  bytes.set(addressBytes(datagram.dst), 24);
  let at = 40;
  if (extension !== null) {
    bytes.set([behindExtension, 0, 1, 4], at); // PadN over the rest of its eight bytes
    at += 8;
  }
  if (fragment !== null) {
    bytes[at] = protocol;
    view.setUint16(at + 2, fragment.offset | (fragment.more ? 1 : 0));
    view.setUint32(at + 4, 0x12345678);
    at += 8;
  }
  bytes.set(payloadBytes(datagram), at);
  return bytes;
}

/** The transport header, in a later fragment too: there the same bytes are data, and must not be taken for a header. */
function payloadBytes(datagram: Datagram): Uint8Array {
  const bytes = new Uint8Array(datagram.payload);
  const view = new DataView(bytes.buffer);
  const { protocol } = datagram;
  if (protocol === 6 || protocol === 17 || protocol === 132) {
    view.setUint16(0, datagram.sport);
    view.setUint16(2, datagram.dport);
  }
  if (protocol === 6) {
    bytes[12] = 0x50;
    bytes[13] = datagram.flags;
  }
  if (protocol === 17) view.setUint16(4, bytes.length);
  if (protocol === 1 || protocol === 58) bytes.set([datagram.icmpType, datagram.icmpCode]);
  if (protocol === 51) bytes.set([59, 1]); // "no next header" behind twelve bytes
  return bytes;
}

const LINKTYPE_RAW = 101;

/** A capture whose packets begin at the IP header; each is stamped with its index as the second. */
export function captureOf(packets: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(24 + packets.reduce((sum, packet) => sum + 16 + packet.length, 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 65535, true);
  view.setUint32(20, LINKTYPE_RAW, true);
  let at = 24;
  for (const [index, packet] of packets.entries()) {
    view.setUint32(at, index, true);
    view.setUint32(at + 8, packet.length, true);
    view.setUint32(at + 12, packet.length, true);
    bytes.set(packet, at + 16);
    at += 16 + packet.length;
  }
  return bytes;
}

/** The indices of the packets in a capture that tcpdump wrote from one of ours. */
export function indicesIn(capture: Uint8Array): number[] {
  const view = new DataView(capture.buffer, capture.byteOffset, capture.byteLength);
  const indices: number[] = [];
  for (let at = 24; at < capture.length; at += 16 + view.getUint32(at + 8, true))
    indices.push(view.getUint32(at, true));
  return indices;
}

/** An Ethernet frame whose source address carries an index. */
export function frameOf(packet: Uint8Array, destination: readonly number[], index: number): Uint8Array {
  const etherType = (packet[0] ?? 0) >> 4 === 4 ? [0x08, 0x00] : [0x86, 0xdd];
  return Uint8Array.of(...destination, 2, 0, 0, 0, index >> 8, index & 0xff, ...etherType, ...packet);
}
