/** What must hold for every filter: the same meaning, whichever way it is read. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alternativesOf } from "../../../src/core/filters/alternatives.ts";
import type { Conjunction, Field } from "../../../src/core/filters/conjunction.ts";
import { toNftRules } from "../../../src/core/filters/nft.ts";
import { hasNumber } from "../../../src/core/filters/number-set.ts";
import { parseFilter } from "../../../src/core/filters/parse.ts";
import { matchesFilter } from "../../../src/core/filters/predicate.ts";
import { printFilter } from "../../../src/core/filters/print.ts";
import { bits, type Datagram, datagrams, filters, lengthOf, passes, sightingOf } from "./generators.ts";

const RUNS = { numRuns: 2000 };

const ways = fc.constantFrom(
  { in: "eth0", out: null },
  { in: "wg0", out: null },
  { in: null, out: "eth0" },
  { in: null, out: "br-lan" },
);

describe("every filter", () => {
  it("is the same after printing and parsing", () => {
    fc.assert(
      fc.property(filters("all"), (filter) => {
        expect(parseFilter(printFilter(filter))).toEqual({ ok: true, value: filter });
      }),
      RUNS,
    );
  });

  it("lets a fully told sighting pass exactly when libpcap lets the packet pass", () => {
    fc.assert(
      fc.property(filters("seen"), datagrams(false), ways, (filter, datagram, way) => {
        expect(matchesFilter(filter, sightingOf(datagram, way))).toBe(passes(filter, datagram, way));
      }),
      RUNS,
    );
  });

  it("never changes its answer, but only gives it up, when a sighting tells less", () => {
    const hidden = fc.subarray([
      "src",
      "dst",
      "protocol",
      "sport",
      "dport",
      "length",
      "fragmentOffset",
      "tcp",
      "icmp",
    ] as const);
    fc.assert(
      fc.property(filters("all"), datagrams(false), ways, hidden, (filter, datagram, way, fields) => {
        const full = sightingOf(datagram, way);
        const blanks = Object.fromEntries(fields.map((field) => [field, null]));
        const partial = matchesFilter(filter, { ...full, packet: { ...full.packet, ...blanks } });
        expect([null, matchesFilter(filter, full)]).toContain(partial);
      }),
      RUNS,
    );
  });

  it("becomes alternatives that let the same packets pass, and ask only for headers that are there", () => {
    fc.assert(
      fc.property(filters("all"), datagrams(true), ways, (filter, datagram, way) => {
        const alternatives = alternativesOf(filter, way.in === null ? "output" : "prerouting");
        if (alternatives === null) throw new Error("too many alternatives for a small filter");
        const values = fieldsOf(
          datagram,
          alternatives.interfaces.indexOf(way.in ?? way.out ?? ""),
          alternatives.interfaces,
        );
        const found = alternatives.conjunctions.some((conjunction) => holds(conjunction, values));
        expect(found).toBe(passes(filter, datagram, way));
      }),
      RUNS,
    );
  });

  it("is written as nft rules of one line each, in every family", () => {
    fc.assert(
      fc.property(filters("all"), fc.constantFrom("inet", "ip", "ip6"), (filter, family) => {
        const rules = toNftRules(filter, family, "prerouting");
        if (!rules.ok) throw new Error(rules.error.message);
        for (const rule of rules.value) expect(rule).not.toMatch(/undefined|null|NaN|\n|\{ {2}\}/);
        const other = family === "ip" ? "ip6" : "ip";
        if (family !== "inet") expect(rules.value.join(" ")).not.toMatch(new RegExp(`\\b${other} |nfproto`));
      }),
      RUNS,
    );
  });
});

describe("the parser", () => {
  const words =
    "tcp udp ip6 src dst host net port portrange proto and or not ( ) ! && 53 10.0.0.0/8 fe80::1 on eth0 len <= tcp[tcpflags] & = mask http \\udp , upd".split(
      " ",
    );

  it("reads or refuses any text, and says where", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(fc.constantFrom(...words)).map((list) => list.join(" ")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const result = parseFilter(text);
        if (result.ok) return;
        expect(result.error.at).toBeGreaterThanOrEqual(0);
        expect(result.error.at).toBeLessThanOrEqual(text.length);
        expect(result.error.message).not.toBe("");
        expect(result.error.hint).not.toBe("");
      }),
      { numRuns: 5000 },
    );
  });

  it("reads its own reading of any text again", () => {
    const texts = fc
      .array(fc.constantFrom(...words), { minLength: 1, maxLength: 9 })
      .map((list) => list.join(" "));
    fc.assert(
      fc.property(texts, (text) => {
        const result = parseFilter(text);
        if (!result.ok || result.value === null) return;
        expect(parseFilter(printFilter(result.value))).toEqual(result);
      }),
      { numRuns: 20_000 },
    );
  });
});

type Values = { readonly [field in Field]?: bigint };

/** The packet's fields by libpcap's view of it; only those that it has. */
function fieldsOf(datagram: Datagram, interfaceIndex: number, interfaces: readonly string[]): Values {
  const { family, protocol, extension, fragment } = datagram;
  const isFirst = (fragment?.offset ?? 0) === 0;
  const first = family === "ip" ? protocol : (extension ?? (fragment === null ? protocol : 44));
  const here = first === protocol && (family === "ip6" || isFirst);
  const ports = here && [6, 17, 132].includes(protocol);
  const icmp = here && protocol === (family === "ip" ? 1 : 58);
  return {
    length: BigInt(lengthOf(datagram)),
    interface: BigInt(interfaceIndex === -1 ? interfaces.length : interfaceIndex),
    family: family === "ip" ? 0n : 1n,
    protocol: BigInt(first),
    source: BigInt(`0b${bits(datagram.src)}`),
    destination: BigInt(`0b${bits(datagram.dst)}`),
    ...(family === "ip6" && first === 44 ? { fragmentProtocol: BigInt(protocol) } : {}),
    ...(family === "ip" ? { laterFragment: isFirst ? 0n : 1n } : {}),
    ...(ports ? { sourcePort: BigInt(datagram.sport), destinationPort: BigInt(datagram.dport) } : {}),
    ...(family === "ip" && here && protocol === 6 ? { tcpFlags: BigInt(datagram.flags) } : {}),
    ...(icmp ? { icmpType: BigInt(datagram.icmpType), icmpCode: BigInt(datagram.icmpCode) } : {}),
  };
}

const IN_NFT_ORDER: readonly Field[] = [
  "interface",
  "family",
  "protocol",
  "fragmentProtocol",
  "laterFragment",
  "source",
  "destination",
  "sourcePort",
  "destinationPort",
  "tcpFlags",
  "icmpType",
  "icmpCode",
  "length",
];

/** As nft evaluates a rule: match by match. A field that is missing when it is asked for is a defect. */
function holds(conjunction: Conjunction, values: Values): boolean {
  for (const field of IN_NFT_ORDER) {
    const set = conjunction[field];
    if (set === undefined) continue;
    const value = values[field];
    if (value === undefined)
      throw new Error(`${field} was asked for in ${JSON.stringify(conjunction, text)}`);
    if (!hasNumber(set, value)) return false;
  }
  return true;
}

function text(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
