/** Who wrote a rule: by names that only one program uses; and nobody, where an administrator could have written it. */
import { describe, expect, test } from "vitest";
import type { RuleOrigin, RulePlace } from "../../../src/core/rulesets/origin/origin.ts";
import { originOf } from "../../../src/core/rulesets/origin/origin-of.ts";
import { readRulesets } from "../../../src/core/rulesets/ruleset-reader.ts";
import { corpus, samples } from "../../support/corpus.ts";

/** Every rule of a text, and the policy of each base chain. */
function placesIn(text: string): readonly RulePlace[] {
  return readRulesets(text, { input: "rules" }).rulesets.flatMap(({ tables }) =>
    tables.flatMap((table) =>
      table.chains.flatMap((listing) => {
        const place = { family: table.family, table: table.name, chain: listing.name, listing };
        const chains = table.chains.map(({ name }) => name);
        const rules = listing.rules.map((rule): RulePlace => ({ ...place, chains, rule }));
        return listing.base === null ? rules : [...rules, { ...place, chains, rule: null }];
      }),
    ),
  );
}

/** The origin of the first rule; other lines are there for it to be seen among. */
function save(table: string, ...rules: readonly string[]): RuleOrigin | null {
  const chains = new Set(rules.map((rule) => /-A (\S+)/.exec(rule)?.[1] ?? ""));
  const heads = [...chains].map(
    (chain) => `:${chain} ${/^[A-Z]+$/.test(chain) && chain !== "DOCKER" ? "ACCEPT" : "-"} [0:0]`,
  );
  const places = placesIn([`*${table}`, ...heads, ...rules, "COMMIT", ""].join("\n"));
  const place = places.find(({ rule }) => rule?.text === rules[0]);
  if (place === undefined) throw new Error(`not read: ${rules[0]}`);
  return originOf(place);
}

function nft(table: string, chain: string, rule: string): RuleOrigin | null {
  const [place] = placesIn(`table inet ${table} {\n\tchain ${chain} {\n\t\t${rule}\n\t}\n}\n`);
  return place === undefined ? null : originOf(place);
}

describe("in iptables' rules", () => {
  test.each([
    [
      "nat",
      "-A DOCKER ! -i docker0 -p udp -m udp --dport 5300 -j DNAT --to-destination 172.18.0.9:53",
      "Docker",
      "published port 5300/udp of container 172.18.0.9",
    ],
    [
      "filter",
      "-A DOCKER -d 172.18.0.9/32 ! -i docker0 -o docker0 -p udp -m udp --dport 53 -j ACCEPT",
      "Docker",
      "published port 53/udp of container 172.18.0.9",
    ],
    [
      "filter",
      "-A DOCKER-ISOLATION-STAGE-2 -o br-0123456789ab -j DROP",
      "Docker",
      "keeps Docker's networks apart (br-0123456789ab)",
    ],
    [
      "filter",
      "-A DOCKER-FORWARD -i br-quiet -o br-quiet -j DROP",
      "Docker",
      "keeps the containers on br-quiet from talking to each other",
    ],
    [
      "filter",
      "-A DOCKER ! -i docker0 -o docker0 -j DROP",
      "Docker",
      "drops what no container on docker0 has published",
    ],
    [
      "filter",
      "-A DOCKER-USER -s 192.0.2.0/24 -j DROP",
      "Docker",
      "the chain that it leaves to the administrator: somebody here wrote this rule",
    ],
    [
      "nat",
      "-A POSTROUTING -s 172.18.0.0/16 ! -o br-0123456789ab -j MASQUERADE",
      "Docker",
      "lets containers of 172.18.0.0/16 out under the host's address",
    ],
    [
      "nat",
      '-A KUBE-SEP-ABCDEFGH23456789 -p tcp -m comment --comment "shop/cart:http" -m tcp -j DNAT --to-destination 10.9.1.5:8080',
      "kube-proxy",
      "service shop/cart:http, endpoint 10.9.1.5:8080",
    ],
    [
      "filter",
      '-A KUBE-SERVICES -d 10.9.0.7/32 -p tcp -m comment --comment "shop/cart:http has no endpoints" -m tcp --dport 80 -j REJECT',
      "kube-proxy",
      "service shop/cart:http has no endpoint that is ready",
    ],
    ["filter", "-A cali-tw-cali0a1b2c3d4e5 -j DROP", "Calico", "what may reach workload cali0a1b2c3d4e5"],
    [
      "filter",
      '-A cali-pi-abc -m comment --comment "cali:AAAABBBBCCCCDDDD" -m comment --comment "Policy shop/default.deny ingress" -j DROP',
      "Calico",
      "a network policy",
    ],
    [
      "filter",
      '-A CILIUM_FORWARD -o cilium_host -m comment --comment "cilium: any->cluster on cilium_host forward accept" -j ACCEPT',
      "Cilium",
      "any->cluster on cilium_host forward accept",
    ],
    ["filter", "-A IN_public_deny -s 192.0.2.9/32 -j DROP", "firewalld", "zone public, what it refuses"],
    ["filter", "-A ufw-user-input -p tcp -m tcp --dport 8443 -j DROP", "ufw", "your rule for 8443/tcp"],
    [
      "filter",
      "-A ufw-before-input -m conntrack --ctstate INVALID -j DROP",
      "ufw",
      "a rule that runs before yours",
    ],
    [
      "filter",
      "-A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable",
      "libvirt",
      "keeps others from starting connections to guests on virbr0",
    ],
    [
      "filter",
      "-A f2b-sshd -s 192.0.2.66/32 -j REJECT --reject-with icmp-port-unreachable",
      "fail2ban",
      "192.0.2.66 is banned by jail sshd",
    ],
    [
      "filter",
      "-A ts-forward -s 100.64.0.0/10 -o tailscale0 -j DROP",
      "Tailscale",
      "drops Tailscale addresses that do not come through the tunnel",
    ],
    [
      "nat",
      "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
      "Istio",
      "sends the pod's traffic to Envoy's port 15001",
    ],
    [
      "nat",
      "-A NETAVARK-DN-1D8721804F16F -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.88.0.4:80",
      "Podman (netavark)",
      "published port 8080/tcp of container 10.88.0.4:80",
    ],
    ["filter", "-A zone_wan_src_REJECT -i pppoe-wan -j DROP", "OpenWrt's firewall (fw3)", "zone wan"],
    [
      "filter",
      "-A FORWARD -j DOCKER-USER",
      "Docker",
      "the chain that it leaves to the administrator: somebody here wrote this rule",
    ],
  ])("%s %s", (table, rule, manager, what) => {
    expect(save(table, rule)).toMatchObject({ manager, what });
  });

  test("Shorewall's zones are told by what else is in the table, and by nothing less", () => {
    const rule = "-A net-fw -p tcp -m tcp --dport 22 -j DROP";
    expect(save("filter", rule)).toBeNull();
    expect(save("filter", rule, "-A shorewall -j RETURN")).toMatchObject({
      manager: "Shorewall",
      what: "from zone net to fw",
    });
  });
});

describe("in nft's rules", () => {
  test.each([
    [
      "firewalld",
      "filter_IN_dmz_allow",
      "tcp dport 22 accept",
      "firewalld",
      "zone dmz, 22/tcp, what it lets in",
    ],
    [
      "fw4",
      "input_wan",
      'tcp dport 22 drop comment "!fw4: No SSH from outside"',
      "OpenWrt's firewall (fw4)",
      'zone wan: "No SSH from outside"',
    ],
    [
      "f2b-table",
      "f2b-chain",
      "tcp dport 22 ip saddr @addr-set-sshd reject",
      "fail2ban",
      "bans by jail sshd",
    ],
    [
      "wg-quick-wg0",
      "preraw",
      'iifname != "wg0" ip daddr 10.9.0.2 drop',
      "wg-quick",
      "keeps others from sending to the address of tunnel wg0",
    ],
  ])("table %s, chain %s: %s", (table, chain, rule, manager, what) => {
    expect(nft(table, chain, rule)).toMatchObject({ manager, what });
  });
});

describe("a policy", () => {
  function policy(...rules: readonly string[]): RuleOrigin | null {
    const text = [
      "*filter",
      ":FORWARD DROP [0:0]",
      ...rules.map((rule) => `-A FORWARD ${rule}`),
      "COMMIT",
      "",
    ];
    const place = placesIn(text.join("\n")).find(({ rule }) => rule === null);
    return place === undefined ? null : originOf(place);
  }

  test("is set by the one manager that hangs its chains there", () => {
    expect(policy("-j DOCKER-USER", "-j DOCKER-FORWARD")?.manager).toBe("Docker");
    expect(policy("-j ufw-before-forward")?.what).toBe("its default for routed traffic");
  });

  test("may be of either of two", () => {
    expect(policy("-j DOCKER-USER", "-j ufw-before-forward")?.manager).toBe("Docker or ufw");
  });

  test("is somebody's own where none does", () => {
    expect(policy("-s 192.0.2.0/24 -j ACCEPT")).toBeNull();
  });
});

test.each([
  ["filter", "-A INPUT -p tcp -m tcp --dport 22 -j DROP"],
  ["filter", "-A FORWARD -i docker0 -d 10.0.0.0/8 -p tcp -j DROP"],
  ["filter", "-A FORWARD -i br-lan -o eth0 -j ACCEPT"],
  ["nat", "-A POSTROUTING -o eth0 -j MASQUERADE"],
  ["filter", "-A LOG_DROP -j DROP"],
  ["filter", '-A INPUT -m comment --comment "docker and ufw and kube" -j DROP'],
  ["filter", "-A DOCKERS-OWN -j DROP"],
  ["filter", "-A zone_of_mine -j DROP"],
  ["filter", "-A IN_the_house -j ACCEPT"],
  ["nat", "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.2:80"],
])("an administrator could have written it: %s %s", (table, rule) => {
  expect(save(table, rule)).toBeNull();
});

describe.skipIf(corpus === null)("over the collected rulesets", () => {
  const places = ["iptables-save", "iptables-save-embedded", "iptables-list", "nft-ruleset"].flatMap((kind) =>
    samples(kind).flatMap(({ name, text }) => placesIn(text).map((place) => ({ name, place }))),
  );

  test("rules in Docker's, kube-proxy's and firewalld's own chains all have an origin", () => {
    const own = /^(DOCKER(-|$)|KUBE-SERVICES$|KUBE-SEP-[A-Z\d]{16}$|filter_IN_)/;
    const theirs = places.filter(({ place }) => place.rule !== null && own.test(place.chain));
    expect(theirs.length).toBeGreaterThan(500);
    const nobodys = theirs.filter(({ place }) => originOf(place) === null);
    expect(nobodys.map(({ name, place }) => `${name} ${place.chain}`)).toEqual([]);
  });

  test("nft's own test suite, written by hand, has none", () => {
    const byHand = places.filter(({ name }) => /1g4-mirror__nftables|vim-syntax/.test(name));
    const found = byHand.filter(({ place }) => originOf(place) !== null);
    expect(byHand.length).toBeGreaterThan(100);
    expect(found.map(({ name, place }) => `${name} ${place.chain} ${place.rule?.text}`)).toEqual([]);
  });
});
