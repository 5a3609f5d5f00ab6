import { expect, it } from "vitest";
import { whyNotNft } from "../../src/tracing/mechanism.ts";

const WELL = { hasProgram: true, release: "6.12.1", nfTables: true };

it.each([
  [WELL, null],
  [{ ...WELL, nfTables: null }, null],
  [{ ...WELL, release: "unknown" }, null],
  [{ ...WELL, hasProgram: false }, "nft is not installed"],
  [{ ...WELL, nfTables: false }, "the kernel 6.12.1 has no nf_tables"],
  [
    { ...WELL, release: "5.10.0-9" },
    "nft tables of the kernel 5.10.0-9 would stay if nfpath were killed (5.12 has others)",
  ],
])("nft is passed over for a reason: %o", (facts, why) => {
  expect(whyNotNft(facts)).toBe(why);
});
