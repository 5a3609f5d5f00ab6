/** What every file in `causes/` is: a function from a journey and its circumstances to findings. */
import type { Journey } from "../journeys/journey.ts";
import type { Finding } from "./finding.ts";
import type { Mapping } from "./flows.ts";
import type { KnownChains } from "./known-chains.ts";
import type { Outcome } from "./outcome.ts";
import type { Silence } from "./silences.ts";

/** What a cause may look at besides the journey. */
export interface Circumstances {
  readonly outcome: Outcome;
  readonly chains: KnownChains;
  /** NAT that other journeys showed for this packet's connection; null where none did. */
  readonly mapping: Mapping | null;
  /** The request that this packet is the first answer to; null where it is none. */
  readonly request: Journey | null;
  /** What is known of the silence behind a request; null where it was answered or nobody can tell. */
  readonly silence: Silence | null;
  /** Whether the trace took an answer to this packet; null where nobody can tell. */
  readonly takesAnswer: boolean | null;
}

/** One cause: reads a journey, concludes nothing or something. */
export type Diagnose = (journey: Journey, circumstances: Circumstances) => readonly Finding[];
