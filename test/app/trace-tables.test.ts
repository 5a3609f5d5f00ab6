import { describe, expect, it } from "vitest";
import {
  beyondTheFilter,
  type Choice,
  choosesAll,
  follows,
  NO_CHOICE,
  tablesWanted,
} from "../../src/app/trace-tables.ts";
import { parseFilter } from "../../src/core/filters/parse.ts";

function filterOf(text: string) {
  const filter = parseFilter(text);
  if (!filter.ok) throw new Error(filter.error.message);
  return filter.value;
}

function wanted(text: string, choice: Partial<Choice> = {}) {
  return tablesWanted(filterOf(text), { ...NO_CHOICE, ...choice });
}

describe("what a trace chooses", () => {
  it.each<[string, Partial<Choice>, RegExp]>([
    ["udp", { families: ["netdev"] }, /^--family netdev needs a device; say --ingress eth0/],
    ["udp", { families: ["inet", "ip"] }, /^--family inet holds ip and ip6 already/],
    ["arp", {}, /^filter: no packet of inet can match it/],
    ["tcp", { families: ["arp"] }, /^filter: no packet of arp can match it/],
    ["host 192.0.2.1", { families: ["bridge"], follow: true }, /^--follow needs connections/],
    ["udp", { families: ["bridge"], fragments: true }, /^--fragments is about the IP families/],
    ["arp", { families: ["arp"], first: 2 }, /^ARP has no connections/],
    ["arp", { families: ["arp"], sampleOneIn: 2 }, /^ARP has no connections/],
    ["less 100", { families: ["bridge"] }, /a length cannot be asked of frames/],
    ["inbound", { egress: ["eth0"] }, /cannot be asked at egress/],
    ["udp", { first: 0 }, /^--first is 1 to 10000 packets/],
    ["udp", { first: 10_001 }, /^--first is 1 to 10000 packets/],
    ["udp", { ingress: ["a b"] }, /^a b is no name of a device/],
  ])("%s with %j is refused, and why is told", (text, choice, message) => {
    const tables = wanted(text, choice);
    if (tables.ok) throw new Error("it was not refused");
    expect(tables.error.status).toBe(2);
    expect(`${tables.error.message}; ${tables.error.hint}`).toMatch(message);
  });

  it("is a table of inet, and one of netdev where devices are named", () => {
    const tables = wanted("udp", { ingress: ["eth0"] });
    expect(tables.ok && tables.value.families.map(({ family }) => family)).toEqual(["inet", "netdev"]);
    const alone = wanted("udp", { families: ["netdev"], ingress: ["eth0"] });
    expect(alone.ok && alone.value.families).toMatchObject([
      {
        family: "netdev",
        selectors: { ingress: expect.any(Array) },
        devices: { ingress: ["eth0"], egress: [] },
      },
    ]);
  });

  it.each<[Partial<Choice>, boolean]>([
    [{}, true],
    [{ ingress: ["eth0"], fragments: true }, true],
    [{ first: 3 }, false],
    [{ sampleOneIn: 2 }, false],
    [{ families: ["ip"] }, false],
    [{ families: ["netdev"], ingress: ["eth0"] }, false],
  ])("%j leaves out no packet that the filter means: %s", (choice, expected) => {
    expect(choosesAll({ ...NO_CHOICE, ...choice })).toBe(expected);
  });

  it.each<[string, Partial<Choice>, boolean]>([
    ["host 192.0.2.1", {}, true],
    ["tcp and not port 22", {}, true],
    ["", {}, false],
    ["", { follow: true }, false],
    ["tcp", {}, false],
    ["tcp", { follow: true }, true],
    ["host 192.0.2.1", { follow: false }, false],
    ["host 192.0.2.1", { families: ["bridge"] }, false],
    ["host 192.0.2.1", { families: ["bridge", "ip"] }, true],
  ])("%j with %j follows replies: %s", (text, choice, expected) => {
    expect(follows(filterOf(text), { ...NO_CHOICE, ...choice })).toBe(expected);
  });
});

describe("rules of iptables", () => {
  it.each<[Partial<Choice>, string | null]>([
    [{}, null],
    [{ follow: false, families: ["inet"] }, null],
    [{ follow: true }, "--follow"],
    [{ first: 2 }, "--first"],
    [{ sampleOneIn: 2 }, "--sample"],
    [{ fragments: true }, "--fragments"],
    [{ egress: ["eth0"] }, "--egress"],
    [{ families: ["ip"] }, "--family"],
  ])("with %j cannot make the choice %s", (choice, expected) => {
    expect(beyondTheFilter({ ...NO_CHOICE, ...choice })).toBe(expected);
  });
});
