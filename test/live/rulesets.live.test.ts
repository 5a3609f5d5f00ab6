/**
 * Our reading against the tools that print: the same rules, listed in every way that iptables and nft have, must be
 * read alike, and what we write must be what `iptables-restore` understands.
 *
 * Everything happens in a network namespace of its own, which is deleted in the end. Rules that this kernel or these
 * tools do not have are left out, and named.
 */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RuleBook } from "../../src/core/rulesets/rule-book.ts";
import type { Chain, Rule, Ruleset } from "../../src/core/rulesets/ruleset.ts";
import { readRulesets } from "../../src/core/rulesets/ruleset-reader.ts";
import { writeIptablesSave } from "../../src/core/rulesets/write-iptables-save.ts";

const NETNS = `nfpR${process.pid}`;

function run(
  command: string,
  args: readonly string[],
  input = "",
): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { input, encoding: "utf8", timeout: 20_000 });
  return { status, out: stdout ?? "", err: stderr ?? "" };
}

function inside(...words: string[]) {
  return run("ip", ["netns", "exec", NETNS, ...words]);
}

const missing = whatIsMissing();

function whatIsMissing(): string | null {
  if (process.getuid?.() !== 0) return "not root";
  for (const tool of ["ip", "nft", "iptables-legacy", "iptables-nft", "ip6tables-legacy", "ip6tables-nft"]) {
    if (run("sh", ["-c", `command -v ${tool}`]).status !== 0) return `no ${tool}`;
  }
  return null;
}

/** Table, chain and rule; `%` is an address of the family at hand. */
const RULES: readonly string[] = [
  "filter INPUT -i lo -j ACCEPT",
  "filter INPUT ! -i eth0 -p tcp -m tcp --dport 22 -j ACCEPT",
  "filter INPUT -s %/24 ! -d % -j DROP",
  "filter INPUT -p tcp -m tcp --sport 1024:65535 ! --dport 80 -j RETURN",
  "filter INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j mine",
  "filter INPUT -p udp -m multiport --dports 53,67:68 -j ACCEPT",
  "filter INPUT -p udp -m multiport ! --sports 53,123 -j DROP",
  "filter INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
  "filter INPUT -m conntrack ! --ctstate NEW --ctstatus ASSURED -j DROP",
  "filter INPUT -m state --state INVALID -j DROP",
  "filter INPUT -m mark --mark 0x1/0xff -j ACCEPT",
  "filter INPUT -m mark ! --mark 0x7 -j ACCEPT",
  "filter INPUT -m addrtype --dst-type LOCAL -j ACCEPT",
  "filter INPUT -m addrtype ! --src-type UNICAST -j DROP",
  'filter INPUT -m limit --limit 5/min --limit-burst 7 -j LOG --log-prefix in:\\ "x" --log-level 4',
  'filter INPUT -m comment --comment it\'s\\ "here" -j ACCEPT',
  "filter INPUT -m comment --comment only-a-comment",
  "filter INPUT -p tcp -j REJECT --reject-with tcp-reset",
  "filter INPUT -j REJECT",
  "filter INPUT -m owner --uid-owner 7 -j ACCEPT",
  "filter INPUT -m length --length 10:100 -j ACCEPT",
  "filter INPUT -m pkttype --pkt-type broadcast -j DROP",
  "filter INPUT -m string --string evil --algo bm -j DROP",
  "filter INPUT -m recent --set --name seen --rsource",
  "filter INPUT -m statistic --mode random --probability 0.5 -j ACCEPT",
  "filter INPUT -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT",
  "filter INPUT -m iprange --src-range %-% -j ACCEPT",
  "filter INPUT -m connmark --mark 0x1 -j ACCEPT",
  "filter INPUT -m hashlimit --hashlimit-upto 5/sec --hashlimit-burst 5 --hashlimit-name h -j ACCEPT",
  "filter INPUT -j NFLOG --nflog-prefix log\\ me --nflog-group 3",
  "filter INPUT -j NFQUEUE --queue-num 3 --queue-bypass",
  "filter INPUT -j NFQUEUE --queue-balance 0:3",
  "filter INPUT -j ACCEPT",
  "filter INPUT -p tcp",
  "filter FORWARD -i a+ -o b -j mine",
  "filter FORWARD -g mine",
  "filter mine -j RETURN",
  "mangle PREROUTING -j MARK --set-xmark 0x1/0xff",
  "mangle PREROUTING -j CONNMARK --save-mark",
  "mangle FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
  "mangle POSTROUTING -j DSCP --set-dscp 0x10",
  "mangle POSTROUTING -j CLASSIFY --set-class 1:2",
  "raw PREROUTING -p udp -j TRACE",
  "raw PREROUTING -p udp -j CT --notrack",
  "raw OUTPUT -p tcp -j CT --zone 7",
  "nat PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination %",
  "nat PREROUTING -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 3128",
  "nat POSTROUTING -s %/24 -j SNAT --to-source % --persistent",
  "nat POSTROUTING -p tcp -j MASQUERADE --to-ports 1024-2048 --random-fully",
  "nat POSTROUTING -o eth0 -j MASQUERADE",
  "nat OUTPUT -d % -j NETMAP --to %",
];

const FAMILIES = [
  {
    family: "ip",
    tool: "iptables",
    address: "192.0.2.1",
    own: ["filter INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT", "filter FORWARD -f -j DROP"],
  },
  {
    family: "ip6",
    tool: "ip6tables",
    address: "2001:db8::1",
    own: ["filter INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT"],
  },
] as const;

/** Splits at blanks; a backslash keeps the next character. */
function shellWords(text: string): string[] {
  return (text.match(/(?:\\.|[^\s\\])+/g) ?? []).map((word) => word.replace(/\\(.)/g, "$1"));
}

function load(tool: string, rules: readonly string[], address: string): string[] {
  for (const table of ["filter", "mangle", "raw", "nat"]) inside(tool, "-t", table, "-F");
  inside(tool, "-N", "mine");
  inside(tool, "-P", "FORWARD", "DROP");
  const refused: string[] = [];
  for (const rule of rules) {
    const [table = "", chain = "", ...words] = shellWords(rule.replaceAll("%", address));
    if (inside(tool, "-w", "-t", table, "-A", chain, ...words).status !== 0) refused.push(rule);
  }
  return refused;
}

function read(text: string): readonly Ruleset[] {
  const { rulesets, problems } = readRulesets(text, { input: "live", force: true });
  expect(problems).toEqual([]);
  expect(rulesets.flatMap((ruleset) => ruleset.problems)).toEqual([]);
  return rulesets;
}

function readOne(text: string): Ruleset {
  const rulesets = read(text);
  expect(rulesets).toHaveLength(1);
  return rulesets[0] as Ruleset;
}

function chains(ruleset: Ruleset): Map<string, Chain> {
  return new Map(
    ruleset.tables.flatMap((table) =>
      table.chains.map((chain) => [`${table.name} ${chain.name}`, chain] as const),
    ),
  );
}

function withoutDates(save: string): string {
  return save.replace(/^#.*\n/gm, "").replace(/\[\d+:\d+\]/g, "[0:0]");
}

/** What both a save and a listing tell of a rule. */
function shared(rule: Rule): unknown {
  const kinds = [
    "in-interface",
    "out-interface",
    "source",
    "destination",
    "source-port",
    "destination-port",
    "ct-state",
    "ct-status",
    "mark",
    "address-type",
    "tcp-flags",
    "comment",
  ];
  const matches = rule.matches
    .filter((match) => kinds.includes(match.kind))
    .map((match) => `${match.kind} ${match.negated} ${match.value.replace(/\/(32|128)$/, "").toUpperCase()}`)
    .sort();
  const first = rule.statements[0];
  return {
    number: rule.number,
    target: rule.target,
    kind: first?.kind ?? null,
    comment: rule.comment,
    matches,
  };
}

describe.skipIf(missing !== null)(
  `rules listed by the real tools${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    beforeAll(() => {
      run("ip", ["netns", "delete", NETNS]);
      expect(run("ip", ["netns", "add", NETNS])).toMatchObject({ status: 0 });
    });
    afterAll(() => {
      run("ip", ["netns", "delete", NETNS]);
    });

    for (const backend of ["legacy", "nft"]) {
      for (const { family, tool, address, own } of FAMILIES) {
        const command = `${tool}-${backend}`;

        describe(command, () => {
          let save: Ruleset;
          let saveText: string;

          beforeAll(() => {
            const all = [...RULES, ...own];
            const refused = load(command, all, address);
            if (refused.length > 0) console.log(`${command} does not have here: ${refused.join(" | ")}`);
            expect(refused.length).toBeLessThan(all.length / 2);
            saveText = inside(`${command}-save`, "-c").out;
            save = readOne(saveText);
          });

          it("save -c: every rule, with counters, backend and family", () => {
            const lines = saveText.split("\n").filter((line) => /^\[\d+:\d+\] -A /.test(line));
            const rules = [...chains(save).values()].flatMap((chain) => chain.rules);
            expect(rules.map((rule) => rule.text).sort()).toEqual(
              lines.map((line) => line.replace(/^\S+ /, "")).sort(),
            );
            expect(rules.every((rule) => rule.counters !== null && rule.number !== null)).toBe(true);
            expect(save.backend).toBe(backend === "legacy" ? "xtables" : "nft");
            expect(save.tables.every((table) => table.family === family)).toBe(true);
          });

          it("-S: the same rules, table by table", () => {
            for (const table of save.tables) {
              const text = inside(command, "-t", table.name, "-S").out;
              const { rulesets } = readRulesets(text, { input: "live", table: table.name, force: true });
              expect(rulesets).toHaveLength(1);
              const printed = chains(rulesets[0] as Ruleset);
              for (const chain of table.chains) {
                const other = printed.get(`${table.name} ${chain.name}`);
                expect(other?.rules.map((rule) => rule.text)).toEqual(chain.rules.map((rule) => rule.text));
                expect(other?.base?.policy).toBe(chain.base?.policy);
              }
            }
          });

          it("-L -n -v --line-numbers: the same rules, as far as it shows them", () => {
            for (const table of save.tables) {
              const text = inside(command, "-t", table.name, "-L", "-n", "-v", "-x", "--line-numbers").out;
              const { rulesets, problems } = readRulesets(text, {
                input: "live",
                table: table.name,
                force: true,
              });
              expect([table.name, problems]).toEqual([table.name, []]);
              const listed = chains(rulesets[0] as Ruleset);
              for (const chain of table.chains) {
                const other = listed.get(`${table.name} ${chain.name}`);
                expect([chain.name, other?.rules.map(shared)]).toEqual([chain.name, chain.rules.map(shared)]);
                expect(other?.base?.policy).toBe(chain.base?.policy);
              }
            }
          });

          it("-L: the same numbers and targets, nothing claimed to be without conditions", () => {
            for (const table of save.tables) {
              const { rulesets } = readRulesets(inside(command, "-t", table.name, "-L").out, {
                input: "live",
                table: table.name,
                force: true,
              });
              const listed = chains(rulesets[0] as Ruleset);
              for (const chain of table.chains) {
                const rules = listed.get(`${table.name} ${chain.name}`)?.rules ?? [];
                expect(rules.map((rule) => rule.target)).toEqual(chain.rules.map((rule) => rule.target));
                expect(rules.every((rule) => rule.matches.length > 0)).toBe(true);
              }
            }
          });

          it("what we write, restore understands as the same rules", () => {
            const written = writeIptablesSave(save);
            expect(run("ip", ["netns", "exec", NETNS, `${command}-restore`, "-c"], written)).toMatchObject({
              status: 0,
            });
            expect(withoutDates(inside(`${command}-save`, "-c").out)).toBe(withoutDates(saveText));
          });

          if (backend === "legacy") return;
          it("nft's listings have the same rules, and lead to iptables' words", () => {
            const json = readOne(inside("nft", "-j", "list", "ruleset").out);
            const text = readOne(inside("nft", "-a", "list", "ruleset").out);
            const book = new RuleBook([json, save]);
            const texts = new Map(text.tables.map((table) => [`${table.family} ${table.name}`, table]));
            let seen = 0;
            for (const table of json.tables.filter((one) => one.family === family)) {
              for (const chain of table.chains) {
                const printed = texts
                  .get(`${family} ${table.name}`)
                  ?.chains.find((one) => one.name === chain.name);
                expect(printed?.rules.map((rule) => rule.handle)).toEqual(
                  chain.rules.map((rule) => rule.handle),
                );
                const lines = chains(save).get(`${table.name} ${chain.name}`)?.rules ?? [];
                expect(lines).toHaveLength(chain.rules.length);
                for (const [index, rule] of chain.rules.entries()) {
                  const query = {
                    tracer: "nft",
                    family,
                    netns: null,
                    table: table.name,
                    chain: chain.name,
                  } as const;
                  expect(book.ruleByHandle(query, rule.handle ?? 0n)?.rule.text).toBe(lines[index]?.text);
                  seen++;
                }
              }
            }
            expect(seen).toBeGreaterThan(10);
          });
        });
      }
    }

    describe("nft", () => {
      /** Loaded at once: a kernel that lacks any of it has no nft worth the name. */
      const SKELETON = `table inet fw {
  set banned { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 } }
  map ports { type inet_service : verdict; elements = { 22 : accept, 23 : drop } }
  counter hits { }
  chain in { type filter hook input priority filter + 10; policy drop; }
  chain more { }
}
table ip nat {
  chain pre { type nat hook prerouting priority dstnat; policy accept; }
  chain post { type nat hook postrouting priority srcnat; policy accept; }
}
`;
      const NATIVE = [
        "inet fw in ct state established,related accept",
        'inet fw in iifname "lo" accept comment "# not a comment { } ;"',
        "inet fw in ip saddr @banned counter drop",
        "inet fw in tcp dport { 22, 80-90, 443 } ct state new limit rate 5/minute burst 7 packets accept",
        "inet fw in tcp dport vmap @ports",
        "inet fw in ct state vmap { established : accept, related : accept, invalid : drop }",
        "inet fw in meta l4proto { icmp, ipv6-icmp } accept",
        'inet fw in tcp flags & (fin | syn | rst | ack) == syn log prefix "new: " level info',
        "inet fw in meta mark & 0x000000ff == 0x00000001 accept",
        "inet fw in udp dport 53 reject with icmpx port-unreachable",
        "inet fw in ip protocol tcp tcp dport 25 reject with tcp reset",
        'inet fw in fib daddr type local counter name "hits" jump more',
        "inet fw in ip saddr . tcp dport { 192.0.2.1 . 22 } accept",
        "inet fw in meta skuid 7 accept",
        "inet fw in ip6 saddr 2001:db8::/32 ip6 hoplimit 255 accept",
        "inet fw in queue flags bypass to 3",
        "inet fw in ct mark set meta mark",
        "inet fw in meta mark set 0x00000007 goto more",
        "inet fw more vlan id 5 drop",
        "inet fw more ip ttl set 7",
        "inet fw more tcp option maxseg size set rt mtu",
        "inet fw more notrack",
        'ip nat pre iifname != "eth1" tcp dport 80 dnat to 192.0.2.1:8080',
        "ip nat pre tcp dport 81 redirect to :3128",
        "ip nat pre dnat to numgen inc mod 2 map { 0 : 192.0.2.1, 1 : 192.0.2.2 }",
        'ip nat post oifname "eth0" masquerade random',
        "ip nat post ip saddr 192.0.2.0/24 snat to 198.51.100.1-198.51.100.9 persistent",
      ];

      beforeAll(() => {
        expect(inside("nft", "flush", "ruleset")).toMatchObject({ status: 0 });
        const load = (text: string) =>
          run("ip", ["netns", "exec", NETNS, "nft", "-f", "-"], text).status === 0;
        expect(load(SKELETON)).toBe(true);
        const refused = NATIVE.filter((rule) => !load(`add rule ${rule}\n`));
        if (refused.length > 0) console.log(`nft does not have here: ${refused.join(" | ")}`);
        expect(refused.length).toBeLessThan(NATIVE.length / 2);
      });

      it("-j and -a: the same tables, chains, handles, numbers, targets and words", () => {
        const json = readOne(inside("nft", "-j", "list", "ruleset").out);
        const text = readOne(inside("nft", "-a", "list", "ruleset").out);
        expect(json.tables.map((table) => [table.family, table.name])).toEqual(
          text.tables.map((table) => [table.family, table.name]),
        );
        expect([...chains(json).keys()]).toEqual([...chains(text).keys()]);
        let different = 0;
        for (const [name, chain] of chains(json)) {
          const other = chains(text).get(name);
          expect(other?.handle).toBe(chain.handle);
          expect(other?.base).toEqual(chain.base);
          expect(
            other?.rules.map(({ number, handle, target, comment }) => [number, handle, target, comment]),
          ).toEqual(
            chain.rules.map(({ number, handle, target, comment }) => [number, handle, target, comment]),
          );
          for (const [index, rule] of chain.rules.entries()) {
            const words = other?.rules[index]?.short;
            if (words !== rule.short) {
              different++;
              console.log(`text: ${words}\njson: ${rule.short}`);
            }
            expect(rule.matches.map((match) => match.kind)).toEqual(
              other?.rules[index]?.matches.map((match) => match.kind),
            );
            expect(rule.statements.map((one) => one.kind)).toEqual(
              other?.rules[index]?.statements.map((one) => one.kind),
            );
          }
        }
        // Marks and flags are numbers in JSON, where the text has hexadecimal and words.
        expect(different).toBeLessThanOrEqual(4);
      });

      it("without -a: the same rules without handles", () => {
        const text = readOne(inside("nft", "list", "ruleset").out);
        const rules = [...chains(text).values()].flatMap((chain) => chain.rules);
        expect(rules.every((rule) => rule.handle === null && rule.number !== null)).toBe(true);
        const withHandles = readOne(inside("nft", "-a", "list", "ruleset").out);
        expect(rules.map((rule) => rule.text)).toEqual(
          [...chains(withHandles).values()].flatMap((chain) => chain.rules.map((rule) => rule.text)),
        );
      });

      it("leaves no condition of these rules unknown that has a name in the model", () => {
        const text = readOne(inside("nft", "-a", "list", "ruleset").out);
        const opaque = [...chains(text).values()].flatMap((chain) =>
          chain.rules.flatMap((rule) =>
            rule.matches.filter((match) => match.kind === "opaque").map((match) => match.text),
          ),
        );
        expect(opaque.sort()).toEqual([
          "ip saddr . tcp dport { 192.0.2.1 . 22 }",
          "ip6 hoplimit 255",
          "limit rate 5/minute burst 7 packets",
          "meta skuid 7",
          "vlan id 5",
        ]);
      });
    });
  },
);
