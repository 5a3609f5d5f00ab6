/** Fragments and the packet that defragmentation made of them, in nft's words. */
import { describe, expect, test } from "vitest";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";

/** A packet at the first chain, in front of defragmentation (-450), or behind it, where rules are. */
function seen(
  traceId: string,
  chain: "fragments early" | "fw pre",
  { id, length, offset }: { readonly id: number; readonly length: number; readonly offset: string },
): string {
  const ports = offset === "0" ? "udp sport 40000 udp dport 53 udp length 3008 " : "";
  return `trace id ${traceId} ip ${chain} packet: iif "eth0" ip saddr 192.0.2.1 ip daddr 192.0.2.2 ip ttl 64 ip id ${id} ip frag-off ${offset} ip protocol udp ip length ${length} ${ports}`;
}

const RULES = `table ip fragments { chain early { type filter hook prerouting priority -450; counter; }; }
table ip fw { chain pre { type filter hook prerouting priority -300; counter; }; chain in { type filter hook input priority 0; counter; }; }`;

function log(wholeId: number): string {
  return [
    seen("000000a1", "fragments early", { id: 7, length: 1500, offset: "0x2000" }),
    "trace id 000000a1 ip fragments early rule counter (verdict continue)",
    seen("000000a2", "fragments early", { id: 7, length: 1500, offset: "0x20b9" }),
    "trace id 000000a2 ip fragments early rule counter (verdict continue)",
    seen("000000a3", "fragments early", { id: 7, length: 68, offset: "0x0172" }),
    "trace id 000000a3 ip fragments early rule counter (verdict continue)",
    seen("000000a3", "fw pre", { id: wholeId, length: 3028, offset: "0" }),
    "trace id 000000a3 ip fw pre rule counter (verdict continue)",
  ].join("\n");
}

describe("fragments", () => {
  test("are tied to the packet that was made of them, and it to them", async () => {
    const { explained } = await explainInputs([textInput("trace", log(7)), textInput("rules", RULES)]);
    const [whole] = explained.filter(({ journey }) => journey.first?.packet.length === 3028);
    const pieces = explained.filter(({ journey }) => journey !== whole?.journey);
    expect(pieces).toHaveLength(3);
    expect(whole?.relations.fragments.map(({ journey }) => journey)).toEqual(
      pieces.map(({ journey }) => journey.id),
    );
    for (const { relations } of pieces) expect(relations.fragmentOf?.journey).toBe(whole?.journey.id);
  });

  test("of another identification are not", async () => {
    const { explained } = await explainInputs([textInput("trace", log(8)), textInput("rules", RULES)]);
    for (const { relations } of explained)
      expect([relations.fragmentOf, relations.fragments]).toEqual([null, []]);
  });
});
