/**
 * A capture of all interfaces: what `tcpdump -i any -y LINUX_SLL2 -w -` writes (link type 276, Linux "cooked" version 2).
 *
 * Its header names the interface by number and says whether the frame came in, went out or was meant for another station.
 */
import type { Time } from "../../base/time.ts";
import { checksumVerdict } from "../../packets/checksum.ts";
import { from, lengthOf, type Slice, u8, u16, u32 } from "../../packets/decode/bytes.ts";
import { decodeHeaders } from "../../packets/decode/packet.ts";
import type { LinkHeader } from "../../packets/packet.ts";
import type { UnparsedEvent, WireDirection, WireEvent } from "../event.ts";
import { PcapReader, type PcapRecord } from "./pcap-file.ts";

export const LINKTYPE_LINUX_SLL2 = 276;
const SLL2_HEADER = 20;
/** `if_packet.h` */
const PACKET_OTHERHOST = 3;
const PACKET_OUTGOING = 4;

export interface WireCaptureContext {
  readonly input: string;
  /** Namespace that the capture was made in; its names of interfaces are those of `names`. */
  readonly netns: string | null;
  readonly names: (index: number) => string | null;
  /** `arrival` where the capture is live and shares its clock with the other sources. */
  readonly clock: "capture" | "arrival";
}

export class WireCaptureDecoder {
  readonly #context: WireCaptureContext;
  readonly #file = new PcapReader();
  #isBroken = false;

  constructor(context: WireCaptureContext) {
    this.#context = context;
  }

  /** Takes the next bytes of the capture, however they are cut. Never throws. */
  push(chunk: Uint8Array): readonly (WireEvent | UnparsedEvent)[] {
    const events: (WireEvent | UnparsedEvent)[] = [];
    this.#file.push(chunk, (record, { linkType }) => {
      if (linkType === LINKTYPE_LINUX_SLL2) events.push(this.#decode(record));
    });
    const { layout, problem } = this.#file;
    if (layout !== null && layout.linkType !== LINKTYPE_LINUX_SLL2)
      this.#breakOff(`its link type is ${layout.linkType} and not Linux cooked v2`, events);
    else if (problem !== null) this.#breakOff(problem, events);
    return events;
  }

  #decode(record: PcapRecord): WireEvent | UnparsedEvent {
    const { bytes } = record;
    const index = u32(bytes, 4);
    const type = u8(bytes, 10);
    if (index === null || type === null || lengthOf(bytes) < SLL2_HEADER)
      return this.#unparsed(record.number, `${lengthOf(bytes)} bytes are no whole frame`);
    const network = from(bytes, SLL2_HEADER);
    const name = this.#context.names(index) ?? `#${index}`;
    const direction = directionOf(type);
    return {
      kind: "wire",
      origin: { input: this.#context.input, line: record.number, raw: "" },
      time: this.#timeOf(record),
      netns: this.#context.netns,
      direction,
      interface: name,
      checksum: checksumVerdict(network),
      sighting: {
        packet: decodeHeaders(
          { link: linkOf(bytes), network, transport: null, etherType: u16(bytes, 0) },
          "netdev",
        ),
        in: direction === "out" ? null : name,
        out: direction === "out" ? name : null,
        physIn: null,
        physOut: null,
        mark: null,
        uid: null,
        gid: null,
      },
    };
  }

  #timeOf({ seconds, nanos }: PcapRecord): Time {
    return { clock: this.#context.clock, epoch: "utc", seconds, nanos };
  }

  #breakOff(reason: string, events: (WireEvent | UnparsedEvent)[]): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    events.push(this.#unparsed(this.#file.records + 1, reason));
  }

  #unparsed(line: number, reason: string): UnparsedEvent {
    const { input, netns } = this.#context;
    return { kind: "unparsed", origin: { input, line, raw: "" }, time: null, netns, reason };
  }
}

function directionOf(type: number): WireDirection {
  if (type === PACKET_OUTGOING) return "out";
  return type === PACKET_OTHERHOST ? "other-station" : "in";
}

/** The cooked header has the sender's address only. */
function linkOf(bytes: Slice): LinkHeader | null {
  if (u8(bytes, 11) !== 6) return null;
  const octets: string[] = [];
  for (let at = 12; at < 18; at++) octets.push((u8(bytes, at) ?? 0).toString(16).padStart(2, "0"));
  return { source: octets.join(":"), destination: null, etherType: u16(bytes, 0) };
}
