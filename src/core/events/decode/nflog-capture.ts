/**
 * Captures of netfilter's log: what `tcpdump -i nflog:0 -w` writes, a pcap file of link type 239 (LINKTYPE_NFLOG).
 *
 * Each record is a message of nfnetlink_log without its netlink header, in the byte order of the capturing host, which is
 * also that of the file. Interfaces have numbers only; whoever has a list of them gives their names.
 */
import type { Time } from "../../base/time.ts";
import type { Event } from "../event.ts";
import { hostU32 } from "./netlink/attributes.ts";
import { type NetlinkContext, netlinkContext } from "./netlink/context.ts";
import { decodeNflog } from "./netlink/nflog.ts";

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const LINKTYPE_NFLOG = 239;
const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
/** libpcap's own bound (`MAXIMUM_SNAPLEN`): a record that claims more is no record. */
const MOST_RECORD_BYTES = 262_144;

interface Layout {
  readonly nanosPerUnit: number;
  readonly context: NetlinkContext;
}

export class NflogCaptureDecoder {
  readonly #input: string;
  readonly #names: (index: number) => string | null;
  #rest = new Uint8Array(0);
  #layout: Layout | null = null;
  #isBroken = false;
  #records = 0;

  /** `names`: what an interface's index is called; null for one that nobody knows. */
  constructor(input: string, names: (index: number) => string | null) {
    this.#input = input;
    this.#names = names;
  }

  /** Takes the next bytes of the file, however they are cut. Never throws. */
  push(chunk: Uint8Array): readonly Event[] {
    if (this.#isBroken) return [];
    const bytes = joined(this.#rest, chunk);
    const events: Event[] = [];
    let at = 0;
    if (this.#layout === null) {
      if (bytes.length < FILE_HEADER) {
        this.#rest = bytes;
        return [];
      }
      this.#layout = layoutOf(bytes, this.#names);
      if (this.#layout === null)
        return [this.#broken("it is no pcap file of netfilter's log (link type NFLOG)")];
      at = FILE_HEADER;
    }
    const { nanosPerUnit, context } = this.#layout;
    while (at + RECORD_HEADER <= bytes.length) {
      const length = hostU32(bytes, at + 8, context.littleEndian);
      if (length > MOST_RECORD_BYTES) {
        events.push(this.#broken(`record ${this.#records + 1} says it has ${length} bytes`));
        return events;
      }
      const start = at + RECORD_HEADER;
      if (start + length > bytes.length) break;
      const time: Time = {
        clock: "capture",
        epoch: "utc",
        seconds: hostU32(bytes, at, context.littleEndian),
        nanos: hostU32(bytes, at + 4, context.littleEndian) * nanosPerUnit,
      };
      this.#records++;
      const event = decodeNflog({ bytes, start, end: start + length }, time, context);
      events.push({ ...event, origin: { input: this.#input, line: this.#records, raw: "" } });
      at = start + length;
    }
    this.#rest = bytes.slice(at);
    return events;
  }

  /** The file has ended. */
  end(): readonly Event[] {
    if (this.#isBroken || (this.#rest.length === 0 && this.#layout !== null)) return [];
    return [this.#broken("it ends in the middle of a record")];
  }

  #broken(reason: string): Event {
    this.#isBroken = true;
    return {
      kind: "unparsed",
      origin: { input: this.#input, line: this.#records + 1, raw: "" },
      time: null,
      netns: null,
      reason,
    };
  }
}

function layoutOf(bytes: Uint8Array, names: (index: number) => string | null): Layout | null {
  for (const littleEndian of [true, false]) {
    const magic = hostU32(bytes, 0, littleEndian);
    if (magic !== MICROSECONDS && magic !== NANOSECONDS) continue;
    if ((hostU32(bytes, 20, littleEndian) & 0xffff) !== LINKTYPE_NFLOG) return null;
    return {
      nanosPerUnit: magic === NANOSECONDS ? 1 : 1000,
      context: netlinkContext(null, names, littleEndian),
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
