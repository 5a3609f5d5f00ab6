/**
 * Any text that may hold a trace: the kernel's log, `nft monitor trace` or `xtables-monitor --trace`, in any mix, and
 * conntrack's listings and events beside it.
 *
 * Each line goes to the decoder that knows its records, each decoder keeps its own state, and events come in the order of
 * their lines. A mail with a log, an nft trace and prose between them needs no more than this.
 */
import { type LineDecoder, NO_EVENTS } from "../decoder.ts";
import type { Event } from "../event.ts";
import { ConntrackTextDecoder } from "./conntrack-text.ts";
import { type KernelLogContext, KernelLogDecoder } from "./kernel-log.ts";
import { NftTraceDecoder } from "./nft-trace.ts";
import { XtablesMonitorDecoder } from "./xtables-monitor.ts";

/** What went through a decoder, for the account at the end. */
export interface DecodeCounts {
  readonly lines: number;
  /** Events that say something about packets: steps, sightings, conntrack's views, connections, log lines. */
  readonly records: number;
  readonly gaps: number;
  readonly unparsed: number;
}

interface TraceDecoder extends LineDecoder {
  flush(): readonly Event[];
}

/**
 * Whether a line holds a record of any trace, as far as one look tells. Readers of rulesets need not be asked about it; a
 * rule that merely names `TRACE: ` as its log prefix is theirs.
 */
export function looksLikeTrace(text: string): boolean {
  return (
    KernelLogDecoder.recognises(text) ||
    NftTraceDecoder.recognises(text) ||
    XtablesMonitorDecoder.recognises(text) ||
    ConntrackTextDecoder.recognises(text)
  );
}

export class TextTraceDecoder implements LineDecoder {
  readonly #kernelLog: KernelLogDecoder;
  readonly #nftTrace: NftTraceDecoder;
  readonly #xtablesMonitor: XtablesMonitorDecoder;
  readonly #conntrack: ConntrackTextDecoder;
  /** The one whose record the next line may go on with. */
  #current: TraceDecoder;
  #lines = 0;
  #records = 0;
  #gaps = 0;
  #unparsed = 0;

  constructor(context: KernelLogContext) {
    this.#kernelLog = new KernelLogDecoder(context);
    this.#nftTrace = new NftTraceDecoder(context);
    this.#xtablesMonitor = new XtablesMonitorDecoder(context);
    this.#conntrack = new ConntrackTextDecoder(context);
    this.#current = this.#kernelLog;
  }

  get counts(): DecodeCounts {
    return { lines: this.#lines, records: this.#records, gaps: this.#gaps, unparsed: this.#unparsed };
  }

  read(text: string, line: number): readonly Event[] {
    this.#lines++;
    const decoder = this.#decoderOf(text) ?? this.#current;
    if (decoder === this.#current) return this.#count(decoder.read(text, line));
    const before = this.#current.flush();
    this.#current = decoder;
    const events = decoder.read(text, line);
    return this.#count(before.length === 0 ? events : [...before, ...events]);
  }

  end(): readonly Event[] {
    return this.#count(this.#current.end());
  }

  /** Whose records a line holds; null where it holds none. nft's come first: its rules may quote the others' words. */
  #decoderOf(text: string): TraceDecoder | null {
    if (NftTraceDecoder.recognises(text)) return this.#nftTrace;
    if (XtablesMonitorDecoder.recognises(text)) return this.#xtablesMonitor;
    if (KernelLogDecoder.recognises(text)) return this.#kernelLog;
    return ConntrackTextDecoder.recognises(text) ? this.#conntrack : null;
  }

  #count(events: readonly Event[]): readonly Event[] {
    if (events.length === 0) return NO_EVENTS;
    for (const { kind } of events) {
      if (kind === "gap") this.#gaps++;
      else if (kind === "unparsed") this.#unparsed++;
      else this.#records++;
    }
    return events;
  }
}
