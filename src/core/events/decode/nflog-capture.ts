/**
 * Captures of netfilter's log: what `tcpdump -i nflog:0 -w` writes, a pcap file of link type 239 (LINKTYPE_NFLOG).
 *
 * Each record is a message of nfnetlink_log without its netlink header, in the byte order of the capturing host, which is
 * also that of the file. Interfaces have numbers only; whoever has a list of them gives their names.
 */
import type { Event } from "../event.ts";
import { type NetlinkContext, netlinkContext } from "./netlink/context.ts";
import { decodeNflog } from "./netlink/nflog.ts";
import { type PcapLayout, PcapReader, type PcapRecord } from "./pcap-file.ts";

const LINKTYPE_NFLOG = 239;
const OTHER_FILE = "it is no pcap file of netfilter's log (link type NFLOG)";

export class NflogCaptureDecoder {
  readonly #input: string;
  readonly #names: (index: number) => string | null;
  readonly #file = new PcapReader();
  #context: NetlinkContext | null = null;
  #isBroken = false;

  /** `names`: what an interface's index is called; null for one that nobody knows. */
  constructor(input: string, names: (index: number) => string | null) {
    this.#input = input;
    this.#names = names;
  }

  /** Takes the next bytes of the file, however they are cut. Never throws. */
  push(chunk: Uint8Array): readonly Event[] {
    const events: Event[] = [];
    this.#file.push(chunk, (record, layout) => {
      if (layout.linkType === LINKTYPE_NFLOG) events.push(this.#decode(record, layout));
    });
    const { layout, problem } = this.#file;
    if (layout !== null && layout.linkType !== LINKTYPE_NFLOG) this.#breakOff(OTHER_FILE, events);
    else if (problem !== null) this.#breakOff(layout === null ? OTHER_FILE : problem, events);
    return events;
  }

  /** The file has ended. */
  end(): readonly Event[] {
    const events: Event[] = [];
    this.#file.end();
    if (this.#file.problem !== null) this.#breakOff(this.#file.problem, events);
    return events;
  }

  #decode({ number, seconds, nanos, bytes }: PcapRecord, { littleEndian }: PcapLayout): Event {
    this.#context ??= netlinkContext(null, this.#names, littleEndian);
    const event = decodeNflog(bytes, { clock: "capture", epoch: "utc", seconds, nanos }, this.#context);
    return { ...event, origin: { input: this.#input, line: number, raw: "" } };
  }

  #breakOff(reason: string, events: Event[]): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    events.push({
      kind: "unparsed",
      origin: { input: this.#input, line: this.#file.records + 1, raw: "" },
      time: null,
      netns: null,
      reason,
    });
  }
}
