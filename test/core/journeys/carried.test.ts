/**
 * Packets in tunnels and IPsec, as Linux 6.12 tells of them. The texts of `recorded/` are one UDP datagram of 128 bytes and its answer, from a client
 * behind a router (198.51.100.1) through a tunnel to a server (198.51.100.2) in network namespaces: the kernel log with TRACE rules in
 * both hosts' raw tables, and `nft monitor trace` in each with the tables of `rules.txt`. `transport` is between router and server. In `esp` the answer is
 * not the tunnel's.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";

function text(name: string): string {
  return readFileSync(new URL(`recorded/${name}.txt`, import.meta.url), "utf8");
}

/** Who went in whom, by protocol and source, and how that is known. */
async function ties(log: string, rules: string | null = null): Promise<readonly string[]> {
  const { explained } = await explainInputs([
    textInput("log", log),
    ...(rules === null ? [] : [textInput("rules", rules)]),
  ]);
  const named = new Map(
    explained.map(({ journey }) => [
      journey.id,
      `${journey.first?.packet.protocol} of ${journey.first?.packet.src}`,
    ]),
  );
  const words: string[] = [];
  for (const { journey, relations } of explained) {
    const { carriedBy, unpackedFrom, carries } = relations;
    if (unpackedFrom !== null)
      words.push(`${named.get(journey.id)} came in ${named.get(unpackedFrom.journey)}: ${unpackedFrom.by}`);
    if (carriedBy !== null)
      words.push(`${named.get(journey.id)} went on in ${named.get(carriedBy.journey)}: ${carriedBy.by}`);
    for (const { journey: inner } of carries) {
      const back = explained.find((one) => one.journey.id === inner)?.relations;
      expect([back?.carriedBy?.journey, back?.unpackedFrom?.journey]).toContain(journey.id);
    }
  }
  return words;
}

const CLIENT = "udp of 192.0.2.2";
const ANSWER = "udp of 10.9.0.2";

describe("a packet in another", () => {
  test.each(["ipip", "gre"])("of %s is known by the device, in the kernel log", async (kind) => {
    expect(await ties(text(`${kind}-legacy`))).toEqual([
      `${CLIENT} went on in ${kind} of 198.51.100.1: tunnel-device`,
      `${CLIENT} came in ${kind} of 198.51.100.1: length-and-order`,
      `${ANSWER} went on in ${kind} of 198.51.100.2: tunnel-device`,
      `${ANSWER} came in ${kind} of 198.51.100.2: tunnel-device`,
    ]);
  });

  test.each([
    ["ipip", "ipip"],
    ["gre", "gre"],
    ["vxlan", "udp"],
  ])("of %s, in nft's words, at both ends", async (kind, protocol) => {
    expect(await ties(text(`${kind}-nft-router`), text("rules"))).toEqual([
      `${CLIENT} went on in ${protocol} of 198.51.100.1: tunnel-device`,
      `${ANSWER} came in ${protocol} of 198.51.100.2: tunnel-device`,
    ]);
    expect(await ties(text(`${kind}-nft-server`), text("rules"))).toEqual([
      `${CLIENT} came in ${protocol} of 198.51.100.1: length-and-order`,
      `${ANSWER} went on in ${protocol} of 198.51.100.2: same-trace-id`,
    ]);
  });

  test("of ESP keeps its trace id, in tunnel and in transport mode", async () => {
    expect(await ties(text("esp-nft-router"), text("rules"))).toEqual([
      `${CLIENT} went on in esp of 198.51.100.1: same-trace-id`,
    ]);
    expect(await ties(text("esp-nft-server"), text("rules"))).toEqual([
      `${CLIENT} came in esp of 198.51.100.1: same-trace-id`,
    ]);
    expect(await ties(text("transport-nft-router"), text("rules"))).toEqual([
      "udp of 198.51.100.1 went on in esp of 198.51.100.1: same-trace-id",
      "udp of 198.51.100.2 came in esp of 198.51.100.2: same-trace-id",
    ]);
  });

  test("of ESP is known by length and order where there is no trace id, or an xfrm interface between", async () => {
    expect(await ties(text("esp-legacy"))).toEqual([
      `${CLIENT} went on in esp of 198.51.100.1: length-and-order`,
      `${CLIENT} came in esp of 198.51.100.1: length-and-order`,
    ]);
    expect(await ties(text("transport-legacy"))).toHaveLength(4);
    expect(await ties(text("xfrmi-legacy"))).toHaveLength(4);
    expect(await ties(text("xfrmi-nft-router"), text("rules"))).toEqual([
      `${CLIENT} went on in esp of 198.51.100.1: length-and-order`,
      `${ANSWER} came in esp of 198.51.100.2: length-and-order`,
    ]);
  });

  test("says so in a line, on both sides", async () => {
    const { tree } = await explainInputs([textInput("log", text("ipip-legacy"))]);
    expect(tree).toContain("it went on in 2: the tunnel's device is the same");
    expect(tree).toContain("it carries 1: the tunnel's device is the same");
    expect(tree).toContain("it came in 3: by its length, directly behind");
  });

  test.each([
    ["one that is a byte longer", (log: string) => log.replaceAll("LEN=148", "LEN=149")],
    ["one that comes a second later", (log: string) => log.replaceAll(/\[ *54\.(?=.*PROTO=4)/g, "[   99.")],
    ["one of a protocol that carries nothing", (log: string) => log.replaceAll("PROTO=4", "PROTO=89")],
    ["one of another tunnel's device", (log: string) => log.replaceAll("IN=tun0 OUT=s0", "IN=tun7 OUT=s0")],
  ])("is not in %s", async (_, change) => {
    expect(await ties(change(text("ipip-legacy")))).not.toContainEqual(
      expect.stringContaining(`${CLIENT} went on in ipip of 198.51.100.1`),
    );
  });

  test("may be either of two that left before, and both are named", async () => {
    const lines = text("ipip-legacy").split("\n");
    const inner = lines.filter((line) => line.includes("SRC=192.0.2.2") && line.includes(" IN=c0"));
    const outer = lines.filter((line) => line.includes("SRC=198.51.100.1") && line.includes(" OUT=s0"));
    const other = (line: string) => line.replace("ID=54907", "ID=1").replace("ID=42687", "ID=2");
    const log = [...inner, ...inner.map(other), ...outer, ...outer.map(other)]
      .map((line) => line.replace(/\[ *54\.\d+\]/, "[   54.328211]"))
      .join("\n");
    const { explained } = await explainInputs([textInput("log", log)]);
    const relations = explained.map((one) => one.relations);
    expect(relations.map(({ carriedBy }) => carriedBy?.journey ?? null)).toEqual(["3", "4", null, null]);
    expect(relations[2]?.carries.map(({ journey, alike }) => [journey, alike])).toEqual([["1", ["2"]]]);
    expect(relations[3]?.carries.map(({ journey, alike }) => [journey, alike])).toEqual([["2", ["1"]]]);
  });
});
