/**
 * The classic capture file (pcap), cut into records wherever the chunks are cut.
 *
 * It is written in the byte order of the host that captured, with times in micro- or nanoseconds; the first four bytes
 * tell both.
 */
import type { Slice } from "../../packets/decode/bytes.ts";
import { hostU32 } from "./netlink/attributes.ts";

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
/** libpcap's own bound (`MAXIMUM_SNAPLEN`): a record that claims more is no record. */
const MOST_RECORD_BYTES = 262_144;

export interface PcapLayout {
  readonly littleEndian: boolean;
  readonly nanosPerUnit: number;
  /** LINKTYPE of the records: 239 NFLOG, 276 Linux cooked v2 … */
  readonly linkType: number;
}

export interface PcapRecord {
  /** 1-based. */
  readonly number: number;
  /** Since 1970 UTC. */
  readonly seconds: number;
  readonly nanos: number;
  readonly bytes: Slice;
  /** Bytes of the packet before the capture cut it. */
  readonly originalLength: number;
}

/** Reads a file that grows; after `problem` is set nothing more comes of it. */
export class PcapReader {
  #rest = new Uint8Array(0);
  #records = 0;
  /** Null until the file's header is there. */
  layout: PcapLayout | null = null;
  /** Why the rest cannot be read; null while all is well. */
  problem: string | null = null;

  /** Takes the next bytes, however they are cut. Never throws. */
  push(chunk: Uint8Array, visit: (record: PcapRecord, layout: PcapLayout) => void): void {
    if (this.problem !== null) return;
    const bytes = this.#rest.length === 0 ? chunk : joined(this.#rest, chunk);
    let at = 0;
    if (this.layout === null) {
      if (bytes.length < FILE_HEADER) {
        this.#rest = bytes.slice();
        return;
      }
      this.layout = layoutOf(bytes);
      if (this.layout === null) {
        this.problem = "it is no pcap file";
        return;
      }
      at = FILE_HEADER;
    }
    const { littleEndian, nanosPerUnit } = this.layout;
    while (at + RECORD_HEADER <= bytes.length && this.problem === null) {
      const length = hostU32(bytes, at + 8, littleEndian);
      if (length > MOST_RECORD_BYTES) {
        this.problem = `record ${this.#records + 1} says it has ${length} bytes`;
        return;
      }
      const start = at + RECORD_HEADER;
      if (start + length > bytes.length) break;
      const record: PcapRecord = {
        number: ++this.#records,
        seconds: hostU32(bytes, at, littleEndian),
        nanos: hostU32(bytes, at + 4, littleEndian) * nanosPerUnit,
        bytes: { bytes, start, end: start + length },
        originalLength: hostU32(bytes, at + 12, littleEndian),
      };
      at = start + length;
      visit(record, this.layout);
    }
    this.#rest = bytes.slice(at);
  }

  /** The file has ended: sets `problem` where it ended too early. */
  end(): void {
    if (this.problem === null && (this.#rest.length > 0 || this.layout === null))
      this.problem = "it ends in the middle of a record";
  }

  get records(): number {
    return this.#records;
  }
}

function layoutOf(bytes: Uint8Array): PcapLayout | null {
  for (const littleEndian of [true, false]) {
    const magic = hostU32(bytes, 0, littleEndian);
    if (magic !== MICROSECONDS && magic !== NANOSECONDS) continue;
    return {
      littleEndian,
      nanosPerUnit: magic === NANOSECONDS ? 1 : 1000,
      linkType: hostU32(bytes, 20, littleEndian) & 0xffff,
    };
  }
  return null;
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}
