/** TCP packets of one small network for a `TraceLog`: a client behind eth0, a server behind eth1, a firewall between. */
import type { LoggedPacket, TraceLog } from "./trace-log.ts";

export interface Segment {
  readonly id: number;
  readonly flags: string;
  readonly seq: number;
  readonly sport?: number;
  readonly length?: number;
}

function tcp({ id, flags, seq, length = 60 }: Segment): LoggedPacket {
  return {
    id,
    length,
    protocol: "TCP",
    rest: `SEQ=${seq} ACK=0 WINDOW=64240 RES=0x00 ${flags} URGP=0`,
  };
}

/** From 192.0.2.1 to 198.51.100.1:80, through the forward hook. */
export function there(log: TraceLog, segment: Segment, out = "eth1"): TraceLog {
  const packet = { ...tcp(segment), sport: segment.sport ?? 40000, dport: 80, in: "eth0" };
  return log
    .at("mangle:PREROUTING:policy:1", packet)
    .at("mangle:FORWARD:policy:1", { ...packet, out, ttl: 63 })
    .at("mangle:POSTROUTING:policy:1", { ...packet, out, ttl: 63 });
}

/** The other way round. */
export function back(log: TraceLog, segment: Segment, cameIn = "eth1"): TraceLog {
  const ends = { src: "198.51.100.1", dst: "192.0.2.1", sport: 80, dport: segment.sport ?? 40000 };
  const packet = { ...tcp(segment), ...ends, in: cameIn };
  return log
    .at("mangle:PREROUTING:policy:1", packet)
    .at("mangle:FORWARD:policy:1", { ...packet, out: "eth0", ttl: 63 })
    .at("mangle:POSTROUTING:policy:1", { ...packet, out: "eth0", ttl: 63 });
}
