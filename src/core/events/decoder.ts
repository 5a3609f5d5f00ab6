/**
 * Decoders turn what sources yield into events. They open nothing, and any chunking of the same input gives the same
 * events.
 */
import type { Event } from "./event.ts";

/** Reads a text input, line by line. Lines come without their ends; `line` is 1-based. */
export interface LineDecoder {
  /** Events that this line completes. A line that is none of this decoder's business gives nothing. */
  read(text: string, line: number): readonly Event[];
  /** The input has ended: what was still held back. */
  end(): readonly Event[];
}

export interface DecoderContext {
  /** Name of the input, for `Origin`. */
  readonly input: string;
  readonly netns: string | null;
}

export const NO_EVENTS: readonly Event[] = [];
