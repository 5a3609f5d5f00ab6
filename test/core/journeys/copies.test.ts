/** Copies of TEE, nft's dup and a bridge that floods, as Linux 6.18 tells of them. */
import { describe, expect, test } from "vitest";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";

async function copiesIn(log: string, rules: string | null) {
  const inputs = [textInput("log", log), ...(rules === null ? [] : [textInput("rules", rules)])];
  const { explained, tree } = await explainInputs(inputs);
  const relations = explained.map(({ relations: { copyOf, copies } }) => ({
    copyOf: copyOf === null ? null : `${copyOf.journey} ${copyOf.by}`,
    copies: copies.map(({ journey }) => journey),
  }));
  return { relations, tree };
}

/** TEE in mangle's PREROUTING: the copy goes out by OUTPUT while the packet stands there. */
function teed(
  ids: readonly [number, number],
  times: readonly [string, string] = ["7.000001", "7.000002"],
): string {
  const line = (time: string, at: string, links: string, ttl: number, id: number) =>
    `[    ${time}] TRACE: mangle:${at} ${links} SRC=192.0.2.2 DST=198.51.100.2 LEN=128 TOS=0x00 PREC=0x00 TTL=${ttl} ID=${id} DF PROTO=UDP SPT=5555 DPT=7 LEN=108 `;
  return [
    line(times[0], "PREROUTING:rule:1", "IN=c0 OUT=", 64, ids[0]),
    line(times[1], "OUTPUT:policy:1", "IN= OUT=d0", 63, ids[1]),
    line(times[1], "POSTROUTING:policy:1", "IN=d0 OUT=d0", 63, ids[1]),
    line(times[0], "PREROUTING:policy:2", "IN=c0 OUT=", 64, ids[0]),
  ].join("\n");
}

const TEE = "*mangle\n-A PREROUTING -p udp -j TEE --gateway 203.0.113.2\nCOMMIT\n";

describe("a copy", () => {
  test("is tied to the packet that a rule copied", async () => {
    const { relations, tree } = await copiesIn(teed([7, 7]), TEE);
    expect(relations).toEqual([
      { copyOf: null, copies: ["2"] },
      { copyOf: "1 copied-by-rule", copies: [] },
    ]);
    expect(tree).toContain("it is a copy of 1: a rule copies it");
  });

  test("is one too where nobody listed the rule: the packet is another host's, and has its number", async () => {
    const { relations } = await copiesIn(teed([7, 7]), null);
    expect(relations[1]?.copyOf).toBe("1 same-headers-within-window");
  });

  test.each([
    ["of another number", teed([7, 8]), TEE],
    ["without a number, and nobody listed a rule", teed([0, 0]), null],
    ["that comes a second later", teed([7, 7], ["7.000001", "8.000002"]), TEE],
  ])("is none %s", async (_, log, rules) => {
    const { relations } = await copiesIn(log, rules);
    expect(relations.map(({ copyOf }) => copyOf)).not.toContainEqual(expect.anything());
  });

  test("of a bridge is tied to the frame that came in", async () => {
    const seen = (id: string, chain: string, links: string) =>
      `trace id ${id} bridge t ${chain} packet: ${links} ether saddr e2:73:59:bd:eb:00 ether daddr ff:ff:ff:ff:ff:ff ip saddr 10.5.0.1 ip daddr 10.5.0.255 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 16 ip protocol udp ip length 128 udp sport 5555 udp dport 7 udp length 108 `;
    const step = (id: string, chain: string) =>
      `trace id ${id} bridge t ${chain} rule counter packets 0 bytes 0 (verdict continue)`;
    const log = [
      seen("1e34de47", "pre", 'iif "p1"'),
      "trace id 1e34de47 bridge t pre rule meta nftrace set 1 (verdict continue)",
      ...["80f82135 p4", "46a7d65b p3", "75a1a4ff p2"].flatMap((port) => {
        const [id = "", out = ""] = port.split(" ");
        return [
          seen(id, "f", `iif "p1" oif "${out}"`),
          step(id, "f"),
          seen(id, "post", `oif "${out}"`),
          step(id, "post"),
        ];
      }),
      seen("1e34de47", "in", 'iif "p1"'),
      step("1e34de47", "in"),
    ].join("\n");
    const rules =
      "table bridge t { chain pre { type filter hook prerouting priority -350; meta nftrace set 1; }; chain f { type filter hook forward priority 0; counter; }; chain post { type filter hook postrouting priority 350; counter; }; chain in { type filter hook input priority 0; counter; }; }";
    const { relations } = await copiesIn(log, rules);
    expect(relations).toEqual([
      { copyOf: null, copies: ["2", "3", "4"] },
      ...Array(3).fill({ copyOf: "1 same-headers-within-window", copies: [] }),
    ]);
  });
});
