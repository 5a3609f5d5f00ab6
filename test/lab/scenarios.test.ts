/** The catalogue as data: every cause has a scenario, and nothing in one contradicts the rest of it. */
import { describe, expect, it } from "vitest";
import { CAUSE_CODES } from "../../src/core/diagnosis/finding.ts";
import { parseFilter } from "../../src/core/filters/parse.ts";
import { SCENARIOS } from "../../src/lab/scenarios/catalogue.ts";
import { hostsOf, macOf } from "../../src/lab/scenarios/network.ts";
import { fragments, packet, ping, tcp, udp } from "../../src/lab/scenarios/packets.ts";
import { causesOf, forVariant, variantsOf } from "../../src/lab/scenarios/scenario.ts";

/** About the evidence: made by cutting or contradicting it, not by a packet. */
const ABOUT_EVIDENCE = ["gap", "rules-missing", "rules-changed", "offloaded", "not-enough-evidence"];

const PROMISED = [
  ...["rule-drop", "rule-reject", "policy-drop", "conntrack-invalid", "conntrack-full", "queue-no-listener"],
  ...["nat-failed", "forwarding-off", "no-route", "route-refused", "reverse-path", "martian", "ttl-expired"],
  ...["too-big", "no-neighbour", "link-down", "no-listener", "socket-full", "bad-checksum"],
  ...["fragment-missing", "wrong-mac", "dnat", "snat", "nat-from-conntrack", "snat-not-reached"],
  ...["defragmented", "will-fragment", "untracked", "bridged", "hairpin-without-snat", "asymmetric-reply"],
  ...["no-reply", "both-backends"],
];

describe("the catalogue", () => {
  const shown = new Set(SCENARIOS.flatMap(causesOf));

  it.each(PROMISED)("shows %s", (code) => {
    expect([...shown]).toContain(code);
  });

  it("shows every cause that nfpath knows", () => {
    const missing = CAUSE_CODES.filter((code) => !shown.has(code) && !ABOUT_EVIDENCE.includes(code));
    expect(missing).toEqual([]);
  });

  it("has no cause that is not promised", () => {
    expect([...shown].filter((code) => !PROMISED.includes(code))).toEqual([]);
  });

  it("has both families, legacy, nft and mixed, TCP, UDP and ICMP", () => {
    const filters = SCENARIOS.flatMap((scenario) => scenario.truths.map((truth) => truth.packet)).join(" ");
    for (const word of ["ip6", "tcp", "udp", "icmp"]) expect(filters).toContain(word);
    const variants = new Set(SCENARIOS.flatMap(variantsOf));
    expect([...variants].sort()).toEqual(["legacy", "mixed", "nft", "none"]);
  });

  it("names each scenario once", () => {
    const names = SCENARIOS.map((scenario) => scenario.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(30);
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
  });
});

describe.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))("%s", (_name, scenario) => {
  const hosts = hostsOf(scenario.network);

  it("speaks of its own hosts", () => {
    const spoken = [
      ...scenario.acts.flatMap((act) => (act.kind === "wait" ? [] : [act.host])),
      ...scenario.trace.hosts,
      ...scenario.truths.map((truth) => truth.host),
      ...scenario.proofs.map((proof) => proof.host),
      ...(scenario.services ?? []).map((service) => service.host),
      ...Object.values(scenario.rules).flatMap((rules) => rules.map((rule) => rule.host)),
    ];
    expect(spoken.filter((host) => !hosts.includes(host))).toEqual([]);
    for (const act of scenario.acts) {
      if (act.kind !== "frames") continue;
      expect(macOf(scenario.network, act.host, act.link)).toMatch(/^02:/);
      if (typeof act.to !== "string") expect(macOf(scenario.network, ...act.to)).toMatch(/^02:/);
    }
  });

  it("tells its truth for each kind of its rules, in filters that can be read, of hosts that are traced", () => {
    expect(parseFilter(scenario.trace.filter).ok).toBe(true);
    for (const truth of scenario.truths) {
      expect(parseFilter(truth.packet)).toMatchObject({ ok: true, value: expect.anything() });
      expect(scenario.trace.hosts).toContain(truth.host);
      for (const variant of variantsOf(scenario)) {
        expect(forVariant(truth.place, variant)).toMatch(/^never$|^after \w+$|^\S+:\S+:(\d+|policy)$/);
        if (truth.findings !== undefined) forVariant(truth.findings, variant);
      }
    }
  });

  it("is proved by something that happens: not by counters that are zero anyhow", () => {
    const positive = scenario.proofs.filter(
      (proof) =>
        proof.kind === "ip" ||
        (proof.kind === "counter" && proof.is > 0) ||
        (proof.kind === "rule" && proof.packets > 0) ||
        (proof.kind === "received" && proof.times > 0),
    );
    const answers = scenario.acts.filter(
      (act) => (act.kind === "udp" || act.kind === "tcp") && act.ends !== "silence",
    );
    expect(positive.length + answers.length).toBeGreaterThan(0);
  });
});

describe("packets", () => {
  const v4 = { src: "192.0.2.1", dst: "198.51.100.2" };
  const v6 = { src: "2001:db8:1::2", dst: "2001:db8::" };

  /** Adds up to all ones, as RFC 1071 has it of a right checksum. */
  function sumsUp(bytes: Uint8Array): boolean {
    let sum = 0;
    for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return sum === 0xffff;
  }

  function pseudo4(bytes: Uint8Array): Uint8Array {
    const length = bytes.length - 20;
    return Uint8Array.from([...bytes.subarray(12, 20), 0, bytes[9] ?? 0, length >> 8, length & 255]);
  }

  it.each([0, 1, 16, 1451])("have right checksums over IPv4 with %i bytes", (bytes) => {
    for (const payload of [
      udp({ sport: 1, dport: 2, bytes }),
      tcp({ sport: 1, dport: 2, flags: ["syn"], bytes }),
    ]) {
      const made = packet(v4, payload).bytes;
      expect(sumsUp(made.subarray(0, 20))).toBe(true);
      expect(sumsUp(Uint8Array.from([...pseudo4(made), ...made.subarray(20)]))).toBe(true);
    }
    expect(sumsUp(packet(v4, ping({ id: 1, bytes })).bytes.subarray(20))).toBe(true);
  });

  it("have right checksums over IPv6", () => {
    const made = packet(v6, ping({ id: 1, isIpv6: true, bytes: 32 })).bytes;
    const pseudo = [...made.subarray(8, 40), 0, made.length - 40, 0, 58];
    expect(sumsUp(Uint8Array.from([...pseudo, ...made.subarray(40)]))).toBe(true);
  });

  it("are wrong where they should be", () => {
    const made = packet(v4, udp({ sport: 1, dport: 2, hasBadChecksum: true })).bytes;
    expect(sumsUp(Uint8Array.from([...pseudo4(made), ...made.subarray(20)]))).toBe(false);
  });

  it("are cut into fragments that hold the whole, in multiples of eight", () => {
    const payload = udp({ sport: 1, dport: 2, bytes: 2000 });
    const whole = packet(v4, payload).bytes.subarray(20);
    const parts = fragments(v4, payload, 1404);
    expect(parts).toHaveLength(2);
    expect(parts.map(({ bytes }) => ((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0))).toEqual([0x2000, 1400 / 8]);
    const joined = parts.flatMap(({ bytes }) => [...bytes.subarray(20)]);
    expect(Buffer.from(joined).equals(Buffer.from(whole))).toBe(true);
  });
});
