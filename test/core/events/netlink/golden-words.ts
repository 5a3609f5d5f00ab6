/** The golden datagrams, and what the decoder makes of them in words. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { netlinkContext } from "../../../../src/core/events/decode/netlink/context.ts";
import { decodeLinkNames } from "../../../../src/core/events/decode/netlink/link.ts";
import { decodeNetfilterDatagram } from "../../../../src/core/events/decode/netlink/message.ts";
import type { Event, StepEvent } from "../../../../src/core/events/event.ts";
import { bytes } from "../../../support/hex.ts";

const here = fileURLToPath(new URL("./golden/", import.meta.url));

export function datagrams(name: string): Uint8Array[] {
  return readFileSync(`${here}${name}.hex`, "utf8").trim().split("\n").map(bytes);
}

export function whole(data: Uint8Array) {
  return { bytes: data, start: 0, end: data.length };
}

export const names = new Map(
  datagrams("links").flatMap((data) =>
    decodeLinkNames(whole(data), true).map(({ index, name }) => [index, name]),
  ),
);

export function context() {
  return netlinkContext("far", (index) => names.get(index) ?? null, true);
}

export function decode(messages: readonly Uint8Array[]): Event[] {
  const events: Event[] = [];
  const shared = context();
  for (const data of messages) decodeNetfilterDatagram(whole(data), null, shared, events);
  return events;
}

/** A line a person could compare with `nft monitor trace` and the kernel log of the same packet. */
export function inWords(event: Event): string {
  if (event.kind === "log") return `log "${event.prefix}" ${flow(event)}`;
  if (event.kind !== "step") throw new Error(`unexpected ${event.kind}`);
  const { tracer, family, table, chain, step, number, handle, verdict, toChain } = event;
  const what = tracer === "nft" ? `${handle ?? "-"}` : `${number}`;
  const decision = [verdict, toChain].filter(Boolean).join(" ") || "-";
  return `${tracer} ${family} ${table} ${chain} ${step} ${what} ${decision}${flow(event)}`;
}

function flow(event: StepEvent | Extract<Event, { kind: "log" }>): string {
  const packet = event.sighting?.packet;
  if (packet === undefined) return "";
  const ends = `${packet.src}:${packet.sport} > ${packet.dst}:${packet.dport}`;
  return ` | ${packet.protocol} ${ends} ${packet.length} B in ${event.sighting?.in} out ${event.sighting?.out}`;
}
