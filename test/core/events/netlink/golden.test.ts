import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { netlinkContext } from "../../../../src/core/events/decode/netlink/context.ts";
import { decodeLinkNames } from "../../../../src/core/events/decode/netlink/link.ts";
import { decodeNetfilterDatagram } from "../../../../src/core/events/decode/netlink/message.ts";
import type { Event } from "../../../../src/core/events/event.ts";
import { context, datagrams, decode, inWords, names, whole } from "./golden-words.ts";

describe("messages of a real kernel", () => {
  it("tell nft's and legacy iptables' steps of a packet in one order", () => {
    expect(decode(datagrams("udp-ipv4")).map(inWords)).toEqual([
      "nft inet nfpath_golden prerouting rule 4 accept | udp 192.0.2.1:50204 > 192.0.2.2:9 45 B in veth1 out null",
      "nft inet door in rule 3 continue | udp 192.0.2.1:50204 > 192.0.2.2:9 45 B in veth1 out null",
      "nft inet door in rule 4 jump sorted",
      "nft inet door sorted rule 8 return",
      "nft inet door in rule 5 accept",
      "xtables ip filter INPUT rule 1 - | udp 192.0.2.1:50204 > 192.0.2.2:9 45 B in veth1 out null",
      "xtables ip filter CHECK rule 1 - | udp 192.0.2.1:50204 > 192.0.2.2:9 45 B in veth1 out null",
      `log "somebody's own: "  | udp 192.0.2.1:50204 > 192.0.2.2:9 45 B in veth1 out null`,
      "xtables ip filter CHECK return 2 - | udp 192.0.2.1:50204 > 192.0.2.2:9 45 B in veth1 out null",
      "xtables ip filter INPUT policy 3 - | udp 192.0.2.1:50204 > 192.0.2.2:9 45 B in veth1 out null",
      "nft inet nfpath_golden output rule 6 accept | icmp 192.0.2.2:null > 192.0.2.1:null 73 B in null out veth1",
      "xtables ip filter OUTPUT policy 1 - | icmp 192.0.2.2:null > 192.0.2.1:null 73 B in null out veth1",
    ]);
  });

  it("tell the end of a base chain from that of a chain it jumped to", () => {
    expect(decode(datagrams("udp-ipv6")).map(inWords)).toEqual([
      "nft inet nfpath_golden prerouting rule 4 accept | udp 2001:db8::1:46379 > 2001:db8::2:9 65 B in veth1 out null",
      "nft inet door in rule 3 continue | udp 2001:db8::1:46379 > 2001:db8::2:9 65 B in veth1 out null",
      "nft inet door in rule 4 jump sorted",
      "nft inet door sorted rule 9 continue",
      "nft inet door sorted return - continue",
      "nft inet door in end - continue",
      "nft inet door in policy - drop",
    ]);
  });

  it("carry TCP's header, the mark, the link header and conntrack's view", () => {
    const steps = decode(datagrams("tcp-ipv4")).filter((event) => event.kind === "step");
    expect(steps.map(inWords)).toEqual([
      "nft inet nfpath_golden prerouting rule 4 accept | tcp 192.0.2.1:53672 > 192.0.2.2:80 60 B in veth1 out null",
      "nft inet door in rule 3 continue | tcp 192.0.2.1:53672 > 192.0.2.2:80 60 B in veth1 out null",
      "nft inet door in rule 7 accept",
      "xtables ip filter INPUT rule 2 - | tcp 192.0.2.1:53672 > 192.0.2.2:80 60 B in veth1 out null",
    ]);
    const [first, second, , legacy] = steps;
    const syn = { seq: 1864476097, ack: 0, flags: 2, window: 64240 };
    const link = { source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02", etherType: 0x0800 };
    expect(first?.sighting?.packet).toMatchObject({ tcp: syn, link, ttl: 64, dontFragment: true });
    expect(first?.traceId).toBe(0xf57022e4);
    expect(first?.sighting?.mark).toBeNull();
    expect(second?.sighting?.mark).toBe(0x42);
    expect(second?.conntrack).toEqual({ id: 1904697703, direction: "original", state: "new", status: [] });
    expect(legacy?.sighting?.packet).toMatchObject({ tcp: syn, link });
    expect(legacy?.sighting?.mark).toBe(0x42);
  });

  it("carry the connection of legacy iptables' packets, once conntrack has looked at them", () => {
    const steps = decode(datagrams("nflog-conntrack")).filter((event) => event.kind === "step");
    const views = steps.map(({ table, chain, conntrack }) => {
      if (conntrack === null) return `${table} ${chain} -`;
      const { id, direction, state, status } = conntrack;
      return `${table} ${chain} ${id} ${direction} ${state} ${status.join(" ")}`.trim();
    });
    expect(views).toEqual([
      "raw OUTPUT -",
      "nat OUTPUT 1740274223 original new",
      "filter OUTPUT 1740274223 original new dnat dnat-done",
      "nat POSTROUTING 1740274223 original new dnat dnat-done",
      "raw PREROUTING 1740274223 original new confirmed dnat snat-done dnat-done",
      "filter INPUT 1740274223 original new confirmed dnat snat-done dnat-done",
      "raw OUTPUT -",
      "filter OUTPUT 1740274223 reply established seen-reply confirmed dnat snat-done dnat-done",
      "raw PREROUTING 1740274223 reply established seen-reply confirmed dnat snat-done dnat-done",
      "filter INPUT 1740274223 reply established seen-reply confirmed dnat snat-done dnat-done",
    ]);
  });

  it("carry it as well where it is no TRACE but somebody's NFLOG rule that logs", () => {
    // `nfulnl_log_packet` makes both; the prefix tells them apart.
    const logged = datagrams("nflog-conntrack").map((bytes) =>
      Buffer.from(Buffer.from(bytes).toString("latin1").replaceAll("TRACE: ", "noted: "), "latin1"),
    );
    const logs = decode(logged).filter((event) => event.kind === "log");
    expect(logs.map(({ conntrack }) => conntrack?.state ?? null).slice(0, 4)).toEqual([
      null,
      "new",
      "new",
      "new",
    ]);
    expect(logs[1]?.conntrack).toMatchObject({ id: 1740274223, direction: "original" });
  });

  it("quote in an ICMP error the packet that caused it", () => {
    const error = decode(datagrams("udp-ipv4")).at(-1);
    expect(error?.kind === "step" ? error.sighting?.packet : null).toMatchObject({
      icmp: { type: 3, code: 3 },
      quoted: { src: "192.0.2.1", dst: "192.0.2.2", protocol: "udp", sport: 50204, dport: 9, quoted: null },
    });
  });

  it("name interfaces, and show a number for one nobody has announced", () => {
    expect([...names]).toEqual([
      [1, "lo"],
      [2, "veth1"],
    ]);
    const events: Event[] = [];
    const nameless = netlinkContext(null, () => null, true);
    for (const data of datagrams("tcp-ipv4")) decodeNetfilterDatagram(whole(data), null, nameless, events);
    expect(events.map((event) => (event.kind === "step" ? event.sighting?.in : null))).toEqual([
      "#2",
      "#2",
      undefined,
      "#2",
    ]);
  });

  it("may come several to a datagram", () => {
    const apart = datagrams("udp-ipv4");
    expect(decode([new Uint8Array(Buffer.concat(apart))])).toEqual(decode(apart));
  });
});

const all = ["udp-ipv4", "udp-ipv6", "tcp-ipv4"].flatMap(datagrams);
const anyMessage = fc.constantFrom(...all);

describe("damaged messages", () => {
  it("cut anywhere become one unparsed event with a reason", () => {
    for (const data of all) {
      for (let length = 1; length < data.length; length++) {
        const events = decode([data.subarray(0, length)]);
        expect(events).toHaveLength(1);
        expect(events[0]).toMatchObject({ kind: "unparsed" });
      }
    }
  });

  it("with a shorter length in their header never lend values from behind it", () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(200), (data, shorter) => {
        const length = Math.max(16, data.length - shorter);
        const cut = new Uint8Array(data);
        new DataView(cut.buffer).setUint32(0, length, true);
        const events: Event[] = [];
        decodeNetfilterDatagram({ bytes: cut, start: 0, end: length }, null, context(), events);
        const alone: Event[] = [];
        decodeNetfilterDatagram(whole(cut.slice(0, length)), null, context(), alone);
        expect(events).toEqual(alone);
        expect(events).toHaveLength(1);
      }),
    );
  });

  it("with any bytes changed never throw, and are never dropped in silence unless their type is another", () => {
    fc.assert(
      fc.property(
        anyMessage,
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 8 }),
        (data, changes) => {
          const damaged = new Uint8Array(data);
          for (const [at, value] of changes) damaged[at % damaged.length] = value;
          const hasItsType = damaged[4] === data[4] && damaged[5] === data[5];
          const events = decode([damaged]);
          if (hasItsType) expect(events.length).toBeGreaterThan(0);
        },
      ),
    );
  });

  it("of rtnetlink never throw", () => {
    fc.assert(
      fc.property(fc.constantFrom(...datagrams("links")), fc.nat(), fc.nat(255), (data, at, value) => {
        const damaged = new Uint8Array(data);
        damaged[at % damaged.length] = value;
        expect(Array.isArray(decodeLinkNames(whole(damaged), true))).toBe(true);
      }),
    );
  });
});
