/** What every file in `causes/` is: a function from a journey and its circumstances to findings. */
import type { Besides } from "../journeys/besides.ts";
import type { Journey } from "../journeys/journey.ts";
import type { Finding } from "./finding.ts";
import type { Mapping } from "./flows.ts";
import type { KnownChains } from "./known-chains.ts";
import type { Outcome } from "./outcome.ts";

/** What a cause may look at besides the journey. */
export interface Circumstances {
  readonly outcome: Outcome;
  readonly chains: KnownChains;
  /** NAT that other journeys showed for this packet's connection; null where none did. */
  readonly mapping: Mapping | null;
  /** Frames at the interfaces and the kernel's own word of its death; empty where nobody asked for them. */
  readonly besides: Besides;
}

/** One cause: reads a journey, concludes nothing or something. */
export type Diagnose = (journey: Journey, circumstances: Circumstances) => readonly Finding[];
