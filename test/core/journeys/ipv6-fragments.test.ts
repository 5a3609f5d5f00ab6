/**
 * A datagram of 3000 bytes over IPv6 in three fragments, as `nft monitor trace` tells of it in a router (Linux 6.18, nftables 1.0.6), with
 * `table ip6 t { chain pre { type filter hook prerouting priority -450; meta nftrace set 1; }; chain f { type filter hook forward priority 0; ct state new counter; }; }`.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";

const TEXT = readFileSync(new URL("recorded/ipv6-fragments.txt", import.meta.url), "utf8");

describe("IPv6 fragments", () => {
  test("are journeys of their own, tied to the packet that was made of them, and it to them", async () => {
    const { explained, tree } = await explainInputs([textInput("trace", TEXT)]);
    expect(explained.map(({ journey }) => [journey.first?.packet.length, journey.first?.packet.ttl])).toEqual(
      [
        [1496, 64],
        [1496, 64],
        [160, 64],
        [3048, 63],
      ],
    );
    const [, , , whole] = explained;
    expect(whole?.outcome.verdict).toBe("forwarded");
    expect(whole?.relations.fragments.map(({ journey, by }) => [journey, by])).toEqual([
      ["1", "lengths-add-up"],
      ["2", "lengths-add-up"],
      ["3", "lengths-add-up"],
    ]);
    for (const { relations } of explained.slice(0, 3)) expect(relations.fragmentOf?.journey).toBe("4");
    expect(tree).toContain("it was put together from 1, 2, 3");
    expect(tree).toContain("put together with others it goes on as 4");
  });

  test.each([
    ["one is missing", TEXT.replace(/^.*73e004c2.*\n/gm, "")],
    ["another's came last", TEXT.replaceAll(/b2be122c(?= ip6 t f )/g, "b2be122d")],
    ["the addresses are another's", TEXT.replace(/(677a8d21.*)2001:db8:1::2/, "$12001:db8:1::3")],
  ])("are not tied where %s", async (_, text) => {
    const { explained } = await explainInputs([textInput("trace", text)]);
    for (const { relations } of explained)
      expect([relations.fragmentOf, relations.fragments]).toEqual([null, []]);
  });
});
