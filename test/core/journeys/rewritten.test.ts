/** A rule that rewrites headers does not make another packet of it. */
import { describe, expect, test } from "vitest";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";

interface Line {
  readonly at: string;
  readonly ttl: number;
  readonly out?: string;
  readonly id?: number;
}

/** As the kernel log has it (`nf_log_syslog`, Linux 6.18). */
function line({ at, ttl, out = "", id = 12276 }: Line, rest = "PROTO=UDP SPT=5555 DPT=7 LEN=108 "): string {
  return `[ 7.0] TRACE: ${at} IN=c0 OUT=${out} MAC=02:00:5e:00:01:02:02:00:5e:00:01:01:08:00 SRC=192.0.2.2 DST=198.51.100.2 LEN=128 TOS=0x00 PREC=0x00 TTL=${ttl} ID=${id} DF ${rest}`;
}

const TTL_IN_PREROUTING = [
  line({ at: "mangle:PREROUTING:rule:1", ttl: 64 }),
  line({ at: "mangle:PREROUTING:policy:2", ttl: 30 }),
  line({ at: "mangle:FORWARD:policy:1", ttl: 29, out: "s0" }),
].join("\n");

function mangle(rule: string): string {
  return `*mangle\n:PREROUTING ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n${rule}\nCOMMIT\n`;
}

async function explained(log: string, rules: string | null) {
  const inputs = [textInput("log", log), ...(rules === null ? [] : [textInput("rules", rules)])];
  return (await explainInputs(inputs)).explained.map(({ journey }) => journey);
}

describe("what a rule rewrites", () => {
  test("is the rule's doing, and the packet goes on", async () => {
    const [journey, ...more] = await explained(
      TTL_IN_PREROUTING,
      mangle("-A PREROUTING -p udp -j TTL --ttl-set 30"),
    );
    expect(more).toEqual([]);
    expect(journey?.steps.map(({ changes }) => changes)).toEqual([
      [{ field: "ttl", from: 64, to: 30, by: "rule" }],
      [],
      [
        { field: "ttl", from: 30, to: 29, by: "routing" },
        { field: "out", from: null, to: "s0", by: "routing" },
      ],
    ]);
  });

  test("is believed of a rule that nobody has listed, in mangle, and the change is nobody's", async () => {
    const [journey, ...more] = await explained(TTL_IN_PREROUTING, null);
    expect(more).toEqual([]);
    expect(journey?.steps[1]?.changes).toEqual([{ field: "ttl", from: 64, to: 30, by: "unknown" }]);
  });

  test.each([
    ["of a rule that does something else", mangle("-A PREROUTING -p udp -j MARK --set-mark 1"), undefined],
    [
      "where another packet comes, with another identification",
      mangle("-A PREROUTING -j TTL --ttl-set 30"),
      1,
    ],
    ["of an unlisted rule, where no number tells packets apart", null, 0],
  ])("is not believed %s", async (_, rules, id) => {
    const first = line({ at: "mangle:PREROUTING:rule:1", ttl: 64, ...(id === 0 ? { id } : {}) });
    const then = line({ at: "mangle:PREROUTING:policy:2", ttl: 30, ...(id === undefined ? {} : { id }) });
    expect(await explained(`${first}\n${then}`, rules)).toHaveLength(2);
  });

  test("and ECN's target takes two flags of TCP away", async () => {
    const tcp = (flags: string) =>
      `PROTO=TCP SPT=5555 DPT=7 SEQ=11 ACK=0 WINDOW=64240 RES=0x00 ${flags} URGP=0 `;
    const [journey, ...more] = await explained(
      [
        line({ at: "mangle:FORWARD:rule:1", ttl: 63, out: "s0" }, tcp("CWR ECE SYN")),
        line({ at: "mangle:FORWARD:policy:2", ttl: 63, out: "s0" }, tcp("SYN")),
      ].join("\n"),
      mangle("-A FORWARD -p tcp -j ECN --ecn-tcp-remove"),
    );
    expect(more).toEqual([]);
    expect(journey?.steps[0]?.changes).toEqual([
      { field: "tcpFlags", from: "SYN ECE CWR", to: "SYN", by: "rule" },
    ]);
  });

  test("shows with nft's rule itself, be it an address", async () => {
    const seen = (chain: string, dst: string, dport: number, ttl: number) =>
      `trace id 000000a1 ip t ${chain} packet: iif "c0" ip saddr 192.0.2.2 ip daddr ${dst} ip ttl ${ttl} ip id 7 ip protocol udp ip length 128 udp sport 5555 udp dport ${dport} udp length 108 `;
    const [journey, ...more] = await explained(
      [
        seen("early", "198.51.100.2", 7, 64),
        "trace id 000000a1 ip t early rule counter (verdict continue)",
        "trace id 000000a1 ip t early policy accept ",
        seen("f", "198.51.100.3", 9, 30),
        "trace id 000000a1 ip t f rule ip daddr set 198.51.100.3 udp dport set 9 ip ttl set 30 ip dscp set ef (verdict continue)",
        "trace id 000000a1 ip t f policy accept ",
      ].join("\n"),
      "table ip t { chain early { type filter hook prerouting priority -350; counter; }; chain f { type filter hook prerouting priority -300; ip daddr set 198.51.100.3 udp dport set 9 ip ttl set 30 ip dscp set ef; }; }",
    );
    expect(more).toEqual([]);
    const changes = journey?.steps.flatMap((step) => step.changes);
    expect(changes?.map(({ field, to, by }) => [field, to, by])).toEqual([
      ["dst", "198.51.100.3", "rule"],
      ["dport", 9, "rule"],
      ["ttl", 30, "rule"],
    ]);
  });
});
