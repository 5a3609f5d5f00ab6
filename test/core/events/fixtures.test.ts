/**
 * Output of real kernels and tools, as it was captured: every record must decode wholly. `fixtures/README.md` has the
 * commands.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Event } from "../../../src/core/events/event.ts";
import { decode, name } from "./decode/decoding.ts";

function fixture(file: string): string {
  return readFileSync(join(import.meta.dirname, "fixtures", file), "utf8");
}

function kinds(events: readonly Event[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of events) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

function packets(events: readonly Event[]) {
  return events.flatMap((event) =>
    (event.kind === "step" || event.kind === "log" || event.kind === "sighting") && event.sighting !== null
      ? [event.sighting.packet]
      : [],
  );
}

/** The words of a record, rebuilt from what was decoded of it. */
function rebuilt(event: Event): string {
  if ((event.kind !== "step" && event.kind !== "log") || event.sighting === null) return "";
  const { packet } = event.sighting;
  const words = [`IN=${event.sighting.in ?? ""}`, `OUT=${event.sighting.out ?? ""}`];
  if (event.sighting.physIn !== null) words.push(`PHYSIN=${event.sighting.physIn}`);
  words.push(`LEN=${packet.length}`);
  words.push(packet.family === "ip6" ? `HOPLIMIT=${packet.ttl}` : `TTL=${packet.ttl} ID=${packet.ipId}`);
  if (packet.dontFragment === true) words.push("DF");
  if (packet.sport !== null) words.push(`SPT=${packet.sport} DPT=${packet.dport}`);
  if (packet.icmp !== null) words.push(`TYPE=${packet.icmp.type} CODE=${packet.icmp.code}`);
  if (packet.icmp !== null && packet.icmp.sequence !== null)
    words.push(`ID=${packet.icmp.id} SEQ=${packet.icmp.sequence}`);
  if (packet.icmp !== null && packet.icmp.mtu !== null) words.push(`MTU=${packet.icmp.mtu}`);
  if (event.kind === "step" && packet.tcp !== null) words.push(`SEQ=${packet.tcp.seq} ACK=${packet.tcp.ack}`);
  if (event.sighting.uid !== null) words.push(`UID=${event.sighting.uid} GID=${event.sighting.gid}`);
  if (event.sighting.mark !== null) words.push(`MARK=0x${event.sighting.mark.toString(16)}`);
  return words.join(" ");
}

describe("Linux 6.18, iptables 1.8.9 (legacy)", () => {
  test("every shape of record: each word of the line is found again in the event", () => {
    const text = fixture("linux-6.18-iptables-1.8.9-every-shape.log");
    const events = decode(text);
    expect(kinds(events)).toEqual({ step: 86, log: 5 });
    for (const event of events) {
      for (const word of rebuilt(event).split(" ")) expect(event.origin.raw).toContain(word);
      if (event.kind === "step") expect(event.origin.raw).toContain(` TRACE: ${name(event)} `);
    }
    const protocols = new Set(packets(events).map(({ family, protocol }) => `${family} ${protocol}`));
    expect([...protocols].sort()).toEqual([
      "ip ah",
      "ip dccp",
      "ip esp",
      "ip gre",
      "ip icmp",
      "ip igmp",
      "ip sctp",
      "ip tcp",
      "ip udp",
      "ip udplite",
      "ip6 gre",
      "ip6 icmpv6",
      "ip6 sctp",
      "ip6 tcp",
      "ip6 udp",
    ]);
    expect(packets(events).filter(({ quoted }) => quoted !== null).length).toBeGreaterThan(5);
    expect(packets(events).some(({ fragmentOffset }) => fragmentOffset === 1448)).toBe(true);
    expect(packets(events).some(({ tcp }) => tcp?.flags === 0x1c2)).toBe(true);
  });

  test("/dev/kmsg: record numbers without a hole, times in the kernel's own digits", () => {
    const events = decode(fixture("linux-6.18-iptables-1.8.9-kmsg.log"));
    expect(kinds(events)).toEqual({ step: 59, log: 1 });
    for (const event of events) {
      const [, micros] = /^\d+,\d+,(\d+),/.exec(event.origin.raw) as RegExpExecArray;
      expect((event.time?.seconds ?? 0) * 1e6 + (event.time?.nanos ?? 0) / 1e3).toBe(Number(micros));
    }
  });

  test.each(["T", "e", "x", "r"])("dmesg -%s gives the same steps in the same dress-free form", (option) => {
    const events = decode(fixture(`linux-6.18-dmesg-${option}.log`));
    const plain = decode(fixture("linux-6.18-dmesg-r.log"));
    expect(events.map(name)).toEqual(plain.map(name));
    expect(packets(events)).toEqual(packets(plain));
    expect(events.every((event) => event.time !== null)).toBe(true);
    expect(events).toHaveLength(6);
  });

  test("ebtables --log", () => {
    const events = decode(fixture("linux-6.18-ebtables-1.8.9-log.log"));
    expect(kinds(events)).toEqual({ log: 40 });
    expect(new Set(packets(events).map(({ family }) => family))).toEqual(new Set(["arp", "ip", "ip6"]));
    expect(packets(events).every(({ link }) => link?.source != null && link.destination !== null)).toBe(true);
  });
});

describe("Linux 6.18, nft 1.0.6", () => {
  test("monitor trace: tables of every family", () => {
    const events = decode(fixture("linux-6.18-nft-1.0.6-monitor-trace.log"));
    expect(kinds(events)).toMatchObject({ gap: 1 });
    expect(events.filter(({ kind }) => kind === "unparsed")).toEqual([]);
    const steps = events.filter((event) => event.kind === "step");
    expect(steps.every(({ verdict }) => verdict !== null)).toBe(true);
    expect(steps.filter(({ step }) => step === "rule").every(({ ruleText }) => ruleText !== null)).toBe(true);
    expect(new Set(steps.map(({ family }) => family))).toEqual(
      new Set(["netdev", "arp", "inet", "ip", "bridge", "ip6"]),
    );
    for (const event of events) {
      if (event.kind !== "sighting") continue;
      const { packet } = event.sighting;
      if (packet.family !== "ip" && packet.family !== "ip6") continue;
      if (packet.src !== null) expect(packet.dst, event.origin.raw).not.toBeNull();
      expect(
        [packet.protocol, event.origin.raw.includes("ipv6-frag") || packet.src === null].includes(null),
      ).toBe(
        event.origin.raw.includes("ipv6-frag") || packet.src === null ? packet.protocol === null : false,
      );
    }
  });

  test("-nn prints numbers for names, and they mean the same", () => {
    const numeric = packets(decode(fixture("linux-6.18-nft-1.0.6-monitor-trace-nn.log")));
    const named = packets(decode(fixture("linux-6.18-nft-1.0.6-monitor-trace.log")));
    const kinds = (all: typeof named) =>
      new Set(all.map(({ protocol, icmp, tos }) => `${protocol} ${icmp?.type} ${tos}`));
    expect(numeric.length).toBeGreaterThan(30);
    for (const kind of kinds(numeric)) expect(kinds(named)).toContain(kind);
  });

  test("-a prints the handle of each rule, which is no part of its text", () => {
    const events = decode(fixture("linux-6.18-nft-1.0.6-monitor-trace-handles.log"));
    const rules = events.filter((event) => event.kind === "step").filter(({ step }) => step === "rule");
    expect(rules.length).toBeGreaterThan(5);
    for (const { handle, ruleText } of rules) {
      expect(handle).not.toBeNull();
      expect(ruleText).not.toContain("#");
    }
  });
});

describe("Linux 6.18, xtables-monitor 1.8.9", () => {
  test("--trace: the rules of iptables-nft, until the tool stumbled over one", () => {
    const events = decode(fixture("linux-6.18-xtables-monitor-1.8.9-trace.log"));
    expect(kinds(events)).toMatchObject({ gap: 1 });
    expect(events.filter(({ kind }) => kind === "unparsed")).toEqual([]);
    const rules = events.filter((event) => event.kind === "step" && event.step === "rule");
    expect(
      rules
        .slice(0, -1)
        .every((event) => event.kind === "step" && event.ruleText !== null && event.handle !== null),
    ).toBe(true);
    expect(rules.at(-1)).toMatchObject({ verdict: "goto", ruleText: null });
  });

  test("--trace: fragments, marks, IPv6, ICMP", () => {
    const events = decode(fixture("linux-6.18-xtables-monitor-1.8.9-protocols.log"));
    expect(events.filter(({ kind }) => kind === "unparsed")).toEqual([]);
    const later = packets(events).filter(({ fragmentOffset }) => (fragmentOffset ?? 0) > 0);
    expect(later.length).toBeGreaterThan(0);
    expect(later.every(({ sport }) => sport === null)).toBe(true);
    // A UDP datagram of 40 bytes, sent with traffic class 0xb9.
    expect(packets(events)).toContainEqual(expect.objectContaining({ family: "ip6", tos: 0xb9, length: 88 }));
    expect(events.at(-1)).toMatchObject({ kind: "gap", gap: "lost-by-kernel" });
  });

  test("--trace --event: changes of the ruleset are no trace", () => {
    const events = decode(fixture("linux-6.18-xtables-monitor-1.8.9-trace-event.log"));
    expect(kinds(events)).toEqual({ sighting: 4, step: 8 });
  });
});
