/** The kernel's own bytes: golden/README.md has the commands. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decodeHookFunctions } from "../../../src/core/hooks/decode-hooks.ts";
import { decodeDormantTables } from "../../../src/core/hooks/decode-tables.ts";
import { bytes } from "../../support/hex.ts";

const golden = (name: string) =>
  bytes(readFileSync(join(import.meta.dirname, "golden", `${name}.hex`), "utf8"));

function decode(datagram: Uint8Array, device: string | null = null) {
  return decodeHookFunctions({ bytes: datagram, start: 0, end: datagram.length }, device, true);
}

describe("functions on a hook", () => {
  test("conntrack, defragmentation and NAT, with their modules", () => {
    expect(
      decode(golden("ip-prerouting")).map(({ priority, name, module }) => [priority, name, module]),
    ).toEqual([
      [-400, "ipv4_conntrack_defrag", "nf_defrag_ipv4"],
      [-200, "ipv4_conntrack_in", "nf_conntrack"],
      [-100, "nf_nat_ipv4_pre_routing", "nf_nat"],
    ]);
  });

  test("chains of nft by their names, legacy's by their function; of equals the youngest first", () => {
    const input = decode(golden("ip-input"));
    expect(input.slice(0, 4)).toEqual([
      expect.objectContaining({ owner: { kind: "chain", family: "inet", table: "fw", chain: "in2" } }),
      expect.objectContaining({ owner: { kind: "chain", family: "inet", table: "fw", chain: "input" } }),
      expect.objectContaining({ owner: { kind: "chain", family: "ip", table: "filter", chain: "INPUT" } }),
      {
        family: "ip",
        hook: "input",
        device: null,
        priority: 0,
        name: "ipt_do_table",
        module: "ip_tables",
        owner: null,
      },
    ]);
  });

  test("other families: hook numbers mean other hooks there", () => {
    expect(decode(golden("bridge-forward"))).toMatchObject([
      { family: "bridge", hook: "forward", priority: -200, owner: { table: "b", chain: "f" } },
    ]);
    expect(decode(golden("netdev-ingress-lo"), "lo")).toMatchObject([
      { family: "netdev", hook: "ingress", device: "lo", priority: 0, owner: { table: "nd", chain: "i" } },
      { priority: 10, name: "nf_flow_offload_inet_hook", owner: null },
    ]);
  });

  test("a datagram cut anywhere gives what stood before the cut", () => {
    const whole = golden("ip-prerouting");
    const all = decode(whole);
    for (let length = 0; length < whole.length; length++) {
      const cut = decode(whole.subarray(0, length));
      expect(cut).toEqual(all.slice(0, cut.length));
      expect(cut.length).toBeLessThan(all.length);
    }
  });

  /** Kinds of owners that Linux 6.12 does not tell: made by hand after `nfnetlink_hook.h` of later kernels. */
  test("bpf programs and flowtables by the kernels that name them, and kinds of tomorrow", () => {
    const message = (info: string) => {
      const body = `02000000 08000100 00000001 08000200 00000007 ${info}`;
      const length = 16 + body.replace(/ /g, "").length / 2;
      return bytes(`${length.toString(16).padStart(2, "0")}000000 000c0200 01000000 00000000 ${body}`);
    };
    const bpf = "18000680 08000200 00000002 0c000180 08000100 0000002a";
    expect(decode(message(bpf))[0]?.owner).toEqual({ kind: "bpf", program: 42 });
    const flowtable =
      "24000680 08000200 00000003 18000180 05000200 01000000 06000100 66770000 06000300 66740000";
    const padded = flowtable.replace("24000680", "28000680").replace("18000180", "1c000180");
    expect(decode(message(padded))[0]?.owner).toEqual({
      kind: "flowtable",
      family: "inet",
      table: "fw",
      name: "ft",
    });
    const tomorrow = bpf.replace("00000002", "00000063");
    expect(decode(message(tomorrow))).toMatchObject([{ hook: "input", priority: 7, owner: null }]);
  });
});

test("dormant tables, by NFTA_TABLE_FLAGS", () => {
  const table = (family: string, name: string, flags: string) =>
    bytes(
      `28000000 000a0200 01000000 00000000 ${family}000000 08000100 ${name}00 08000200 ${flags} 08000300 00000001`.replace(
        "28000000",
        "2c000000",
      ),
    );
  const of = (datagram: Uint8Array) =>
    decodeDormantTables({ bytes: datagram, start: 0, end: datagram.length }, true);
  expect(of(table("02", "617364", "00000001"))).toEqual(["ip asd"]);
  expect(of(table("01", "617364", "00000003"))).toEqual(["inet asd"]);
  expect(of(table("01", "617364", "00000002"))).toEqual([]);
  expect(of(bytes("2c000000 000a0200 01000000"))).toEqual([]);
});
