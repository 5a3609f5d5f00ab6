/** What a capture and the kernel's drops told of a packet, in words. */

import type { DropEvent, WireEvent } from "../events/event.ts";
import { isFragment } from "../packets/packet.ts";

/** `in eth0 from 02:42:ac:12:00:01 as 2 fragments (1500 + 31 bytes), out docker0`: an interface a part. */
export function wireWords(frames: readonly WireEvent[]): string {
  const places = new Map<string, WireEvent[]>();
  for (const frame of frames) {
    const place = `${frame.direction} ${frame.interface}`;
    const there = places.get(place);
    if (there === undefined) places.set(place, [frame]);
    else there.push(frame);
  }
  return [...places.values()].map(placeWords).join(", ");
}

function placeWords(frames: readonly WireEvent[]): string {
  const [first] = frames;
  if (first === undefined) return "";
  const words = [DIRECTIONS[first.direction](first.interface)];
  const mac = first.sighting.packet.link?.source ?? null;
  if (first.direction !== "out" && mac !== null && mac !== "00:00:00:00:00:00") words.push(`from ${mac}`);
  const lengths = frames.map(({ sighting }) => sighting.packet.length ?? "?");
  const isWhole = frames.length === 1 && !isFragment(first.sighting.packet);
  if (!isWhole)
    words.push(
      `as ${frames.length === 1 ? "one fragment" : `${frames.length} fragments`} (${lengths.join(" + ")} bytes)`,
    );
  if (frames.some(({ checksum }) => checksum === "wrong")) words.push("with a wrong checksum");
  return words.join(" ");
}

const DIRECTIONS = {
  in: (name: string) => `in ${name}`,
  out: (name: string) => `out ${name}`,
  "other-station": (name: string) => `on ${name}, for another station,`,
} as const;

/** `freed in ip_forward: IP_INHDR (eth0)` */
export function dropWords(drop: DropEvent): string {
  return `freed in ${drop.function}: ${drop.reason}${drop.device === null ? "" : ` (${drop.device})`}`;
}
