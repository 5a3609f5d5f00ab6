import { describe, expect, test } from "vitest";
import { type HostSnapshot, SNAPSHOT_SCHEMA, unknownHost } from "../../../src/core/hosts/host.ts";
import { HostBook } from "../../../src/core/hosts/host-book.ts";
import { readSnapshot } from "../../../src/core/hosts/read-snapshot.ts";
import { listedHost } from "../../support/listed-host.ts";

const host = listedHost("default via 10.0.0.1 dev eth0\n0:\tfrom all lookup local");
const fileOf = (changed: object) =>
  JSON.stringify({ schema: SNAPSHOT_SCHEMA, kernel: "6.1", hosts: [{ ...host, ...changed }] });

describe("a snapshot's file", () => {
  test("is read as it was written", () => {
    expect(readSnapshot(fileOf({}))).toMatchObject({ ok: true, value: { kernel: "6.1", hosts: [host] } });
  });

  test.each([
    ["cut", fileOf({}).slice(0, 200), "cut or damaged"],
    ["of tomorrow", fileOf({}).replace("@1", "@9"), "nfpath/snapshot@9"],
    ["without a host", JSON.stringify({ schema: SNAPSHOT_SCHEMA, hosts: [] }), "no host"],
    ["with links that are none", fileOf({ links: [{ nome: "eth0" }] }), "links"],
    ["with a number as a setting", fileOf({ settings: { "net.ipv4.ip_forward": 1 } }), "settings"],
    [
      "with routes that have no way",
      fileOf({ routing: { ...host.routing, ip: { routes: [{}], tables: "all", rules: null } } }),
      "routing",
    ],
    ["without routing", fileOf({ routing: null }), "routing"],
  ])("is refused when it is %s", (_how, text, words) => {
    const read = readSnapshot(text);
    expect(read.ok ? "read" : `${read.error.message}; ${read.error.hint}`).toContain(words);
  });
});

describe("the book of hosts", () => {
  const at = (netns: string | null, takenAt: string | null = null): HostSnapshot => ({
    ...unknownHost(netns),
    takenAt,
  });

  test("has the first and the last snapshot of each namespace", () => {
    const [first, last] = [at("a", "1"), at("a", "2")];
    const book = new HostBook([first, at("b"), last]);
    expect([book.at("a"), book.lastAt("a")]).toEqual([first, last]);
    expect(book.at(null)).toBeNull();
    expect(book.at("c")).toBeNull();
  });

  test("takes the only host for the one that is meant, unless both have a name", () => {
    const listed = at(null);
    expect(new HostBook([listed]).at("router")).toBe(listed);
    const named = at("router");
    expect(new HostBook([named]).at(null)).toBe(named);
    expect(new HostBook([named]).at("other")).toBeNull();
  });
});
