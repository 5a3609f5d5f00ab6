import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { netlinkContext } from "../../../../src/core/events/decode/netlink/context.ts";
import { decodeNetfilterDatagram } from "../../../../src/core/events/decode/netlink/message.ts";
import type { Event } from "../../../../src/core/events/event.ts";
import { bytes } from "../../../support/hex.ts";

const here = fileURLToPath(new URL("./golden/", import.meta.url));

function datagrams(name: string): Uint8Array[] {
  return readFileSync(`${here}${name}.hex`, "utf8").trim().split("\n").map(bytes);
}

function decode(messages: readonly Uint8Array[]): Event[] {
  const events: Event[] = [];
  const context = netlinkContext("router", () => null, true);
  for (const data of messages)
    decodeNetfilterDatagram({ bytes: data, start: 0, end: data.length }, null, context, events);
  return events;
}

describe("conntrack's messages of a real kernel", () => {
  const [dnat, tcp, icmp, gre, update, destroy] = decode(datagrams("flows"));

  it("tell both directions, so that a translation is exact", () => {
    expect(dnat).toMatchObject({
      kind: "flow",
      netns: "router",
      what: "new",
      family: "ip",
      protocol: "udp",
      original: { src: "192.0.2.7", dst: "198.51.100.1", sport: 40_000, dport: 53, icmp: null },
      reply: { src: "203.0.113.5", dst: "192.0.2.7", sport: 5353, dport: 40_000, icmp: null },
      mark: 66,
      timeout: 30,
      state: null,
    });
    expect(dnat?.kind === "flow" && dnat.status).toEqual(
      expect.arrayContaining(["confirmed", "dnat", "dnat-done"]),
    );
  });

  it("tell IPv6, TCP's state, ICMP's identifier, the zone, and no ports where there are none", () => {
    expect(tcp).toMatchObject({
      family: "ip6",
      protocol: "tcp",
      state: "ESTABLISHED",
      original: { src: "2001:db8::1", dst: "2001:db8::2" },
      status: expect.arrayContaining(["seen-reply", "assured"]),
    });
    expect(icmp).toMatchObject({
      protocol: "icmp",
      zone: 9,
      original: { sport: null, dport: null, icmp: { type: 8, code: 0, id: 4711 } },
      reply: { icmp: { type: 0, code: 0, id: 4711 } },
    });
    expect(gre).toMatchObject({ protocol: "gre", original: { sport: null, dport: null, icmp: null } });
  });

  it("tell a new one from one that changed and one that is gone, by the same id", () => {
    expect(update).toMatchObject({ what: "update", mark: 67 });
    expect(destroy).toMatchObject({ what: "destroy", original: { dport: 53 } });
    const ids = [dnat, update, destroy].map((event) => (event?.kind === "flow" ? event.id : null));
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).not.toBeNull();
  });
});

describe("a change of the rules", () => {
  it("is one event a transaction, with the tables that it touched", () => {
    const changes = decode(datagrams("rules-changed"));
    expect(changes.map((event) => (event.kind === "rules-changed" ? event.tables : event.kind))).toEqual([
      ["inet fw"],
      ["ip other", "inet fw"],
    ]);
    expect(changes[0]).toMatchObject({
      process: "nft",
      pid: expect.any(Number),
      generation: expect.any(Number),
    });
  });

  it("of which the announcements were lost names no table", () => {
    const last = datagrams("rules-changed").slice(-1);
    expect(decode(last)).toMatchObject([{ kind: "rules-changed", tables: [], process: "nft" }]);
  });
});

describe("damaged messages", () => {
  const all = [...datagrams("flows"), ...datagrams("rules-changed")];

  it("never throw", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...all),
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 8 }),
        fc.nat(400),
        (data, changes, length) => {
          const damaged = new Uint8Array(data.subarray(0, Math.max(1, data.length - length)));
          for (const [at, value] of changes) damaged[at % damaged.length] = value;
          expect(Array.isArray(decode([damaged]))).toBe(true);
        },
      ),
    );
  });

  it("about a connection are kept with a reason, when a length in them lies", () => {
    const [data] = datagrams("flows").slice(-1);
    const damaged = new Uint8Array(data as Uint8Array);
    damaged[20] = 0xff;
    expect(decode([damaged])).toMatchObject([
      { kind: "unparsed", reason: "conntrack message: an attribute is longer than the message" },
    ]);
  });
});
