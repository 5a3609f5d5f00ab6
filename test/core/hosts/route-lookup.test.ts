/** What a live test cannot show: hosts of which only a part was listed. The rest is judged by the kernel, in `test/live`. */
import { describe, expect, test } from "vitest";
import { depart } from "../../../src/core/hosts/departure.ts";
import type { HostSnapshot } from "../../../src/core/hosts/host.ts";
import { receive } from "../../../src/core/hosts/reception.ts";
import { lookUpRoute, type RouteQuestion } from "../../../src/core/hosts/route-lookup.ts";
import { listedHost } from "../../support/listed-host.ts";

const question: RouteQuestion = {
  family: "ip",
  dst: "198.51.100.1",
  src: "10.0.0.9",
  in: "eth0",
  out: null,
  mark: 0,
  tos: 0,
  protocol: "udp",
  sport: 40_000,
  dport: 53,
  uid: null,
};

const MAIN = `default via 192.0.2.1 dev eth1
10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1`;
const RULES =
  "0:\tfrom all lookup local\n100:\tfrom 10.0.0.0/8 fwmark 0x1 lookup vpn\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default";

describe("routing of a host that was listed in part", () => {
  test("ip route alone: answers, and says what it takes for granted", () => {
    const answer = lookUpRoute(listedHost(MAIN), question);
    expect(answer).toMatchObject({ kind: "routed", ways: [{ dev: "eth1", via: "192.0.2.1" }] });
    expect(answer.kind === "routed" && answer.assumptions).toEqual([
      "the policy rules were not listed: the usual ones are taken",
      "the host's own addresses were not listed: the destination is taken to be none of them",
    ]);
  });

  test("with its addresses, what is for the host itself is known", () => {
    const host = listedHost(
      `${MAIN}\n2: eth1: <UP,LOWER_UP> mtu 1500 state UP\n    inet 198.51.100.1/24 brd 198.51.100.255 scope global eth1`,
    );
    expect(lookUpRoute(host, question)).toMatchObject({ kind: "routed", type: "local" });
    expect(lookUpRoute(host, { ...question, dst: "198.51.100.255" })).toMatchObject({ type: "broadcast" });
  });

  test("a rule that leads to a table which was not listed ends what can be told, for the packets that meet it", () => {
    const host = listedHost(`${RULES}\n\n${MAIN}`);
    expect(lookUpRoute(host, question)).toMatchObject({ kind: "routed" });
    expect(lookUpRoute(host, { ...question, mark: 1 })).toEqual({
      kind: "not-known",
      why: "table vpn, which policy rule 100 leads to, was not listed",
    });
  });

  test("a mark that nobody told, or a condition that nobody knows, is no reason to guess", () => {
    const host = listedHost(`${RULES}\n\n${MAIN}\ndefault via 10.9.9.9 dev tun0 table vpn`);
    const why = "whether policy rule 100 meets it cannot be told";
    expect(lookUpRoute(host, { ...question, mark: null })).toEqual({ kind: "not-known", why });
    expect(lookUpRoute(host, { ...question, mark: null, src: "172.16.0.1" })).toMatchObject({
      kind: "routed",
    });
    const odd = listedHost(
      `${RULES.replace("fwmark 0x1", "tun_id 7")}\n\n${MAIN}\ndefault via 10.9.9.9 dev tun0 table vpn`,
    );
    expect(lookUpRoute(odd, question)).toEqual({ kind: "not-known", why });
  });

  test("a VRF's packets go by its table, where that was listed", () => {
    const links = `7: red: <NOARP,MASTER,UP,LOWER_UP> mtu 1500 state UP
    link/ether 02:00:00:00:00:07 brd ff:ff:ff:ff:ff:ff
    vrf table 10
8: eth0: <UP,LOWER_UP> mtu 1500 master red state UP`;
    const host = listedHost(
      `${links}\n1000:\tfrom all lookup [l3mdev-table]\n32766:\tfrom all lookup main\n\n# ip route\n${MAIN}`,
    );
    const rules = host.routing.ip6.rules ?? [];
    const vrf: HostSnapshot = {
      ...host,
      routing: {
        ...host.routing,
        ip: { ...host.routing.ip, rules: rules.map((rule) => ({ ...rule, family: "ip" })) },
      },
    };
    expect(lookUpRoute(vrf, question)).toMatchObject({
      kind: "not-known",
      why: expect.stringContaining("table 10"),
    });
    const own = (table: string): HostSnapshot => {
      const main = host.routing.ip.routes ?? [];
      const routes = [...main, ...main.map((route) => ({ ...route, table, metric: 7 }))];
      return { ...vrf, routing: { ...vrf.routing, ip: { ...vrf.routing.ip, routes, tables: "all" } } };
    };
    expect(lookUpRoute(own("10"), question)).toMatchObject({ kind: "routed", route: { table: "10" } });
    expect(lookUpRoute(own("10"), { ...question, in: null, out: "red" })).toMatchObject({
      route: { table: "10" },
    });
    expect(lookUpRoute(own("crimson"), question)).toMatchObject({
      kind: "not-known",
      why: "table 10 of VRF red may be listed under a name",
    });
    expect(lookUpRoute(vrf, { ...question, in: "eth5" })).toMatchObject({ kind: "routed" });
  });
});

describe("what becomes of a packet that came in", () => {
  const settings = (forwarding: number, filter: number) => `net.ipv4.conf.all.rp_filter = ${filter}
net.ipv4.conf.eth0.rp_filter = 0
net.ipv4.conf.eth0.forwarding = ${forwarding}
net.ipv4.conf.all.accept_local = 0
net.ipv4.conf.eth0.accept_local = 0
net.ipv4.conf.all.src_valid_mark = 0
net.ipv4.conf.eth0.src_valid_mark = 0`;
  const links = "2: eth0: <UP,LOWER_UP> mtu 1500 state UP\n    inet 10.0.0.1/24 scope global eth0";
  const host = (forwarding: number, filter: number) =>
    listedHost(`${links}\n${MAIN}\n${settings(forwarding, filter)}`);

  test("is not known where the settings are not", () => {
    expect(receive(listedHost(MAIN), question)).toEqual({
      kind: "not-known",
      why: "forwarding of eth0 was not read",
    });
  });

  test("forwarding, and the larger of the two rp_filter settings", () => {
    expect(receive(host(0, 0), question).kind).toBe("forwarding-off");
    expect(receive(host(1, 1), question).kind).toBe("forward");
    const spoofed = { ...question, src: "203.0.113.9" };
    expect(receive(host(1, 0), spoofed).kind).toBe("forward");
    expect(receive(host(1, 2), spoofed).kind).toBe("forward");
    expect(receive(host(1, 1), spoofed)).toMatchObject({
      kind: "reverse-path",
      source: { mode: 1, back: { kind: "routed", ways: [{ dev: "eth1" }] } },
    });
    expect(receive(host(1, 0), { ...question, src: "10.0.0.1" })).toMatchObject({
      kind: "martian",
      which: "source",
    });
  });

  test("a socket that is bound to an interface goes out there, route or not", () => {
    const bound = { ...question, in: null, out: "eth0" };
    expect(depart(host(1, 0), bound)).toMatchObject({
      kind: "routed",
      ways: [{ dev: "eth0", via: null }],
      route: null,
    });
    expect(depart(host(1, 0), { ...bound, out: null })).toMatchObject({ ways: [{ dev: "eth1" }] });
  });
});
