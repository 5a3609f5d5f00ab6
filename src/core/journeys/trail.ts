/**
 * What is remembered of a journey that may be told already: enough to know its answers, errors and further parts by, and
 * a hundredth of what its steps weigh. Thousands of them are kept while one journey is explained.
 */
import type { Time } from "../base/time.ts";
import type { Sighting } from "../events/event.ts";
import type { Hook } from "../netfilter/hook.ts";
import type { Packet } from "../packets/packet.ts";
import { makesCopies } from "./copies.ts";
import type { Journey } from "./journey.ts";

export interface Trail {
  readonly id: string;
  readonly netns: string | null;
  readonly firstTime: Time | null;
  readonly lastTime: Time | null;
  /** Its headers as they were seen, each appearance once: before, between and after translations. */
  readonly packets: readonly Packet[];
  /** Interfaces by which it came in, bridges and their ports both; empty for what was made here. */
  readonly in: readonly string[];
  /** … and by which it left. */
  readonly out: readonly string[];
  /** Those of nft. */
  readonly traceIds: readonly number[];
  /** Where it was first; null where nobody can tell. */
  readonly begins: Hook | null;
  /** A rule that it met copies packets. */
  readonly isCopied: boolean;
}

const NO_IDS: readonly number[] = [];

export function trailOf(journey: Journey): Trail {
  const packets: Packet[] = [];
  const came: string[] = [];
  const left: string[] = [];
  const traceIds: number[] = [];
  let last: Sighting | null = null;
  // What was made here came in nowhere, whatever newer kernels say behind OUTPUT.
  const isMadeHere = journey.steps[0]?.hook === "output";
  let isCopied = false;
  for (const step of journey.steps) {
    const { sighting, event } = step;
    isCopied ||= makesCopies(step);
    if (event.traceId !== null && !traceIds.includes(event.traceId)) traceIds.push(event.traceId);
    if (sighting === null || sighting === last) continue;
    last = sighting;
    if (packets.at(-1) !== sighting.packet) packets.push(sighting.packet);
    if (!isMadeHere) {
      addName(came, sighting.in);
      addName(came, sighting.physIn);
    }
    addName(left, sighting.out);
    addName(left, sighting.physOut);
  }
  if (packets.length === 0 && journey.first !== null) packets.push(journey.first.packet);
  return {
    id: journey.id,
    netns: journey.netns,
    firstTime: journey.firstTime,
    lastTime: journey.lastTime,
    packets,
    in: came,
    out: left,
    traceIds: traceIds.length === 0 ? NO_IDS : traceIds,
    begins: journey.steps[0]?.hook ?? null,
    isCopied,
  };
}

function addName(names: string[], name: string | null): void {
  if (name !== null && !names.includes(name)) names.push(name);
}
