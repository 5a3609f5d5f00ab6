import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HostTextReader } from "../../../src/core/hosts/decode/host-text-reader.ts";
import { SNAPSHOT_SCHEMA } from "../../../src/core/hosts/host.ts";
import { readSnapshot } from "../../../src/core/hosts/read-snapshot.ts";
import { receive } from "../../../src/core/hosts/reception.ts";
import { listedHost } from "../../support/listed-host.ts";

describe("outputs of a host's tools in a text", () => {
  test("a prompt's or a script's heading tells the family and the table that the lines leave out", () => {
    const host = listedHost(`
root@gw:~# ip -6 rule show
0:\tfrom all lookup local
220:\tfrom all lookup 220
root@gw:~# ip route show table vpn
default via 10.8.0.1 dev tun0
root@gw:~# ip route
10.0.0.0/8 dev eth0 scope link`);
    expect(host.routing.ip.rules).toBeNull();
    expect(host.routing.ip6.rules?.map(({ priority }) => priority)).toEqual([0, 220]);
    expect(host.routing.ip.routes?.map(({ table, dst }) => [table, dst])).toEqual([
      ["vpn", "0.0.0.0/0"],
      ["main", "10.0.0.0/8"],
    ]);
    expect(host.routing.ip.tables).toEqual(["vpn", "main"]);
  });

  test("without headings, rules that lead to the table default are IPv4's, and those behind them IPv6's", () => {
    const host = listedHost(
      "0:\tfrom all lookup local\n32767:\tfrom all lookup default\n\n0:\tfrom all lookup local\n32766:\tfrom all lookup main",
    );
    expect(host.routing.ip.rules).toHaveLength(2);
    expect(host.routing.ip6.rules).toHaveLength(2);
  });

  test("what is not listed is null, and what is listed and empty is not", () => {
    const host = listedHost("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN");
    expect(host.links).toHaveLength(1);
    expect([host.addresses, host.routing.ip.routes, host.settings, host.sockets]).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  test("a line below a heading that nobody understands is kept and counted", () => {
    const host = listedHost(
      "# ip route show table all\ndefault via 10.0.0.1 dev eth0\nunicast-of-tomorrow 10.1.0.0/16",
    );
    expect(host.routing.ip.routes).toHaveLength(1);
    expect([host.unreadCount, host.unread[0]]).toEqual([
      1,
      { section: "routes", text: "unicast-of-tomorrow 10.1.0.0/16", reason: "not a line of that listing" },
    ]);
  });

  test("attributes and conditions that are not known stay with their route or rule", () => {
    const host = listedHost(
      "0:\tfrom all frobnicate 7 lookup local\n10.1.0.0/16 encap mpls 200 via 10.0.0.1 dev eth0 metric 5",
    );
    expect(host.routing.ip6.rules?.[0]?.opaque).toEqual(["frobnicate 7"]);
    expect(host.routing.ip.routes?.[0]).toMatchObject({ metric: 5, opaque: ["encap mpls 200"] });
  });

  test("ss with and without its protocol, a bound interface, and a socket for both families", () => {
    const host = listedHost(`State   Recv-Q  Send-Q    Local Address:Port    Peer Address:Port Process
UNCONN  0       0       127.0.0.53%lo:53           0.0.0.0:*     users:(("systemd-resolve",pid=612,fd=13))
ESTAB   0       0            10.0.0.1:44444      10.0.0.53:53
Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
tcp   LISTEN 4      128                *:80              *:*     users:(("nginx",pid=9,fd=6)) skmem:(r0,rb1,t0,tb1,f0,w0,o0,bl0,d17)`);
    expect(host.sockets).toMatchObject([
      {
        protocol: "udp",
        family: "ip",
        local: { address: "127.0.0.53", port: 53, dev: "lo" },
        process: "systemd-resolve 612",
      },
      { protocol: "udp", state: "ESTAB", remote: { address: "10.0.0.53", port: 53 } },
      { protocol: "tcp", family: "ip6", local: { address: null, port: 80 }, receiveQueue: 4, drops: 17 },
    ]);
  });

  test("settings by name and by file, an interface with a dot in its name, counters, conntrack's numbers", () => {
    const host = listedHost(`net.ipv4.conf.eth0/1.rp_filter = 1
/proc/sys/net/ipv4/conf/eth0.2/rp_filter = 2
net.ipv4.ip_local_port_range = 32768\t60999
net.netfilter.nf_conntrack_count = 12
net.netfilter.nf_conntrack_max = 16
IpInAddrErrors                  3                  0.0`);
    expect(host.settings).toMatchObject({
      "net.ipv4.conf.eth0/1.rp_filter": "1",
      "net.ipv4.conf.eth0/2.rp_filter": "2",
      "net.ipv4.ip_local_port_range": "32768 60999",
    });
    expect([host.conntrack?.count, host.conntrack?.max]).toEqual([12, 16]);
    expect(host.counters).toEqual({ IpInAddrErrors: 3 });
  });

  test("prose, logs, traces, rules and connections are none of it", () => {
    const reader = new HostTextReader();
    for (const line of [
      "the default route is via dev eth0, I think",
      "Aug 24 11:14:47 fw kernel: [1.0] TRACE: raw:PREROUTING:policy:2 IN=eth0 OUT= SRC=10.0.0.1 DST=10.0.0.2",
      "11:14:47.178700 IP 10.0.0.1.53 > 10.0.0.2.40000: UDP, length 12",
      "trace id 57b2 ip filter in rule tcp dport 22 accept (verdict accept)",
      "-A INPUT -s 10.0.0.0/8 -j ACCEPT",
      "ACCEPT     all  --  10.0.0.0/8           0.0.0.0/0",
      "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [ASSURED] mark=0 use=1",
      "10.0.0.1",
      "a = b",
      "[1, 2, 3]",
      "{}",
    ])
      expect([line, reader.read(line)]).toEqual([line, line === "10.0.0.1"]);
  });

  test("whatever is in a text, it is read or left, and what was read is a whole snapshot", () => {
    const words = fc.constantFrom(
      ..."default via dev eth0 10.0.0.0/8 fd00::/8 0: 1: from all lookup main not fwmark 0x1/0xff nexthop [detached] <UP> link/ether inet inet6 constructor __proto__ state UP tcp LISTEN 0 *:80 = net.ipv4.x # ip route table [{ }] goto".split(
        " ",
      ),
    );
    const line = fc.array(words, { maxLength: 9 }).map((parts) => parts.join(" "));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
        const reader = new HostTextReader();
        for (const text of lines) reader.read(text);
        const host = reader.end();
        if (host === null) return;
        const read = readSnapshot(JSON.stringify({ schema: SNAPSHOT_SCHEMA, kernel: null, hosts: [host] }));
        expect(read).toEqual({ ok: true, value: { schema: SNAPSHOT_SCHEMA, kernel: null, hosts: [host] } });
      }),
    );
  });
});

describe("joined multicast groups", () => {
  test("of ip maddress, plain and as JSON: without sources", () => {
    const plain = listedHost(
      "# ip maddr\n2:\teth0\n\tlink  33:33:00:00:00:01\n\tinet  224.0.0.1\n\tinet  239.1.1.1 users 2\n\tinet6 ff02::1\n",
    );
    expect(plain.multicastGroups).toEqual([
      { family: "ip", dev: "eth0", address: "224.0.0.1", users: null, sources: null },
      { family: "ip", dev: "eth0", address: "239.1.1.1", users: null, sources: null },
      { family: "ip6", dev: "eth0", address: "ff02::1", users: null, sources: null },
    ]);
    const json = new HostTextReader();
    json.readDocument(
      '[{"ifindex":2,"ifname":"eth0","maddr":[{"link":"33:33:00:00:00:01"},{"family":"inet","address":"224.0.0.1"}]}]',
    );
    expect(json.end()?.multicastGroups).toEqual(plain.multicastGroups?.slice(0, 1));
  });

  test("of /proc, in the order of a big-endian host too", () => {
    const files = (group: string) =>
      `# cat /proc/net/igmp\nIdx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n2\teth0      :     2      V3\n\t\t\t\t${group}     1 0:00000000\t\t0\n`;
    const groups = (group: string) => listedHost(files(group)).multicastGroups?.map(({ address }) => address);
    expect(groups("010000E0")).toEqual(["224.0.0.1"]);
    expect(groups("E0000001")).toEqual(["224.0.0.1"]);
  });

  test("a snapshot without them does not know, but for the one that everybody joins", () => {
    const settings = ["all", "eth0"].flatMap((dev) =>
      ["rp_filter", "accept_local", "src_valid_mark", "route_localnet", "mc_forwarding"].map(
        (name) => `net.ipv4.conf.${dev}.${name} = 0`,
      ),
    );
    const host = listedHost(
      `2: eth0: <UP,LOWER_UP> mtu 1500 state UP\n    inet 10.0.0.1/24 scope global eth0\n10.0.0.0/24 dev eth0\n${settings.join("\n")}`,
    );
    const to = (dst: string) =>
      receive(host, {
        family: "ip",
        src: "10.0.0.9",
        dst,
        in: "eth0",
        out: null,
        mark: 0,
        tos: 0,
        protocol: "udp",
        sport: 1,
        dport: 2,
        uid: null,
      }).kind;
    expect([to("224.0.0.1"), to("239.1.1.1")]).toEqual(["local", "not-known"]);
  });
});
