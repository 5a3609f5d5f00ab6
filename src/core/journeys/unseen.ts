/** A journey without steps: the packet was at an interface, and no chain told of it. */
import type { WireEvent } from "../events/event.ts";
import type { Journey } from "./journey.ts";

/** @param frames of one packet, in the order of time; at least one */
export function unseenJourney(id: string, frames: readonly WireEvent[]): Journey {
  const first = frames[0];
  const last = frames.at(-1);
  if (first === undefined || last === undefined)
    throw new Error("a packet without a frame was seen by nobody");
  return {
    id,
    netns: first.netns,
    family: first.sighting.packet.family,
    first: first.sighting,
    last: last.sighting,
    firstTime: first.time,
    lastTime: last.time,
    firstEvent: 0,
    lastEvent: 0,
    steps: [],
    logs: [],
    conntrack: null,
    unspoken: null,
    gaps: [],
    rulesChanged: null,
    joinedBy: "single-event",
    alike: [],
  };
}
