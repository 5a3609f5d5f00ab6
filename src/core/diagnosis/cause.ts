/** What every file in `causes/` is: a function from a journey and its circumstances to findings. */

import type { HostSnapshot } from "../hosts/host.ts";
import type { Besides } from "../journeys/besides.ts";
import type { Journey } from "../journeys/journey.ts";
import type { Trail } from "../journeys/trail.ts";
import type { Finding } from "./finding.ts";
import type { Mapping, OtherWay, Rival } from "./flows.ts";
import type { KnownChains } from "./known-chains.ts";
import type { Outcome } from "./outcome.ts";
import type { RoutingNote } from "./routing.ts";
import type { Silence } from "./silences.ts";

/** What a cause may look at besides the journey. */
export interface Circumstances {
  readonly outcome: Outcome;
  /** A packet came back, so this one got where it was going. */
  readonly isAnswered: boolean;
  /** What came back is a TCP reset, or an ICMP error about it. */
  readonly isRefused: boolean;
  readonly chains: KnownChains;
  /** NAT that other journeys showed for this packet's connection; null where none did. */
  readonly mapping: Mapping | null;
  /** Another connection that has the addresses and ports this one was translated to; null where none is known. */
  readonly rival: Rival | null;
  /** The request that this packet is the first answer to; null where it is none. */
  readonly request: Trail | null;
  /** What is known of the silence behind a request; null where it was answered or nobody can tell. */
  readonly silence: Silence | null;
  /** Where the answer to this request was seen, if not here; null where it was seen nowhere, or here. */
  readonly otherWay: OtherWay | null;
  /** Whether the trace took an answer to this packet; null where nobody can tell. */
  readonly takesAnswer: boolean | null;
  /** Frames at the interfaces and the kernel's own word of its death; empty where nobody asked for them. */
  readonly besides: Besides;
  /** The packet's host, as it was when the trace began; null where nobody took a snapshot. */
  readonly host: HostSnapshot | null;
  /** … as it was last seen: what its counters and tables had come to. The same where there is one snapshot only. */
  readonly hostAtEnd: HostSnapshot | null;
  /** What its routes say about the packet, where it was to be routed; empty without a snapshot. */
  readonly routing: readonly RoutingNote[];
}

/** One cause: reads a journey, concludes nothing or something. */
export type Diagnose = (journey: Journey, circumstances: Circumstances) => readonly Finding[];
