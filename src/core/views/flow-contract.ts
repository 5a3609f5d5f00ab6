/** The public shape of a flow, `nfpath/flow@1`: what `--flows --format jsonl` prints. Add to it, never change it. */
import { formatTime, nanosBetween } from "../base/time.ts";
import type { Flow } from "../diagnosis/flow-book.ts";

export const FLOW_SCHEMA = "nfpath/flow@1";

/** A plain object, ready for `JSON.stringify`. */
export function flowContract(flow: Flow) {
  const [first, last] = [flow.packets[0], flow.packets.at(-1)];
  return {
    schema: FLOW_SCHEMA,
    id: flow.id,
    protocol: flow.protocol,
    /** As its first packet came; ports are 0 where there are none, and an echo's identifier for ICMP. */
    original: flow.original,
    first: first?.time == null ? null : formatTime(first.time),
    tookNanos: nanosBetween(first?.time ?? null, last?.time ?? null),
    there: flow.there,
    back: flow.back,
    sentAgain: flow.sentAgain,
    netns: flow.namespaces,
    translations: flow.translations.map(({ direction, netns, side, from, to, by, journey }) => ({
      direction,
      netns,
      side,
      from,
      to,
      by,
      journey,
    })),
    packets: flow.packets.map((packet) => ({
      journey: packet.journey,
      netns: packet.netns,
      direction: packet.direction,
      at: packet.time === null ? null : formatTime(packet.time),
      length: packet.packet.length,
      tcpFlags: packet.packet.tcp?.flags ?? null,
      seq: packet.packet.tcp?.seq ?? null,
      in: packet.in,
      out: packet.out,
      isIcmpError: packet.isError,
      sentAgainOf: packet.again,
      outcome: { verdict: packet.outcome.verdict, cause: packet.outcome.cause },
      findings: packet.findings.map(({ cause, severity, what }) => ({ cause, severity, what })),
    })),
    /** Packets of the middle that were counted and are not listed. */
    hidden: flow.hidden,
    /** True where it left early for want of room: later packets of it are another flow here. */
    isCut: flow.isCut,
  };
}

export type FlowContract = ReturnType<typeof flowContract>;
