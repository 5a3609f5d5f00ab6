import { expect, it } from "vitest";
import { writeIptablesSave } from "../../../src/core/rulesets/write-iptables-save.ts";
import { chainOf, readOne } from "./read.ts";

const SAVE = `*mangle
:PREROUTING ACCEPT [5:400]
:OUTPUT ACCEPT [0:0]
:mark-it - [0:0]
[5:400] -A PREROUTING -p tcp -m comment --comment "a \\"b\\"" -m tcp --dport 80:90 -g mark-it
[0:0] -A mark-it ! -s 192.0.2.0/24 ! -i lo -m limit --limit 5/min -j MARK --set-xmark 0x1/0xff
[0:0] -A mark-it -j NFQUEUE --queue-balance 0:3 --queue-bypass
[0:0] -A mark-it -m conntrack --ctstate NEW -j LOG --log-prefix "new: " --log-level 4
[0:0] -A mark-it -p tcp -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 198.51.100.1/32 -p udp -j DNAT --to-destination 192.0.2.1:53 --persistent
-A PREROUTING -p tcp -j REDIRECT --to-ports 3128
COMMIT
*raw
:OUTPUT ACCEPT [0:0]
-A OUTPUT -o lo -j CT --notrack
COMMIT
`;

it("writes what it read", () => {
  expect(writeIptablesSave(readOne(SAVE))).toBe(SAVE);
});

it("writes from the parts, not from the text", () => {
  const ruleset = readOne(SAVE);
  const nat = chainOf(ruleset, "nat", "PREROUTING");
  const changed = {
    ...ruleset,
    tables: [
      {
        ...(ruleset.tables[1] as (typeof ruleset.tables)[0]),
        chains: [
          {
            ...nat,
            rules: nat.rules.map(({ number, handle, comment, counters, target, statements, line }) => {
              const parts = { number, handle, comment, counters, target, statements, line };
              return { ...parts, matches: [], text: "something else", short: "something else" };
            }),
          },
        ],
      },
    ],
  };
  expect(writeIptablesSave(changed).split("\n").slice(2, 4)).toEqual([
    "-A PREROUTING -j DNAT --to-destination 192.0.2.1:53 --persistent",
    "-A PREROUTING -j REDIRECT --to-ports 3128",
  ]);
});

it("writes nothing for nothing", () => {
  expect(writeIptablesSave({ ...readOne(SAVE), tables: [] })).toBe("");
});
