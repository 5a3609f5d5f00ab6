/**
 * The names nft prints instead of numbers, unless it is told `-n`: types and codes of ICMP, DSCP, ECN, ports.
 *
 * From nft's own tables (`src/proto.c`, `src/datatype.c`) and, for ports, the entries of IANA's registry that stand in every
 * `/etc/services` and that firewalls meet; nft before 0.9.1 printed those.
 */

type Names = Readonly<Record<string, number>>;

export const ICMP_TYPES: Names = {
  "echo-reply": 0,
  "destination-unreachable": 3,
  "source-quench": 4,
  redirect: 5,
  "echo-request": 8,
  "router-advertisement": 9,
  "router-solicitation": 10,
  "time-exceeded": 11,
  "parameter-problem": 12,
  "timestamp-request": 13,
  "timestamp-reply": 14,
  "info-request": 15,
  "info-reply": 16,
  "address-mask-request": 17,
  "address-mask-reply": 18,
};

/** nft prints code 0 of every type as `net-unreachable`: its table knows only the codes of one type. */
export const ICMP_CODES: Names = {
  "net-unreachable": 0,
  "host-unreachable": 1,
  "prot-unreachable": 2,
  "port-unreachable": 3,
  "frag-needed": 4,
  "net-prohibited": 9,
  "host-prohibited": 10,
  "admin-prohibited": 13,
};

export const ICMPV6_TYPES: Names = {
  "destination-unreachable": 1,
  "packet-too-big": 2,
  "time-exceeded": 3,
  "parameter-problem": 4,
  "echo-request": 128,
  "echo-reply": 129,
  "mld-listener-query": 130,
  "mld-listener-report": 131,
  "mld-listener-done": 132,
  "mld-listener-reduction": 132,
  "nd-router-solicit": 133,
  "nd-router-advert": 134,
  "nd-neighbor-solicit": 135,
  "nd-neighbor-advert": 136,
  "nd-redirect": 137,
  "router-renumbering": 138,
  "ind-neighbor-solicit": 141,
  "ind-neighbor-advert": 142,
  "mld2-listener-report": 143,
};

export const ICMPV6_CODES: Names = {
  "no-route": 0,
  "admin-prohibited": 1,
  "addr-unreachable": 3,
  "port-unreachable": 4,
  "policy-fail": 5,
  "reject-route": 6,
};

export const DSCP: Names = {
  ...Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((group) => [`cs${group}`, group * 8])),
  df: 0,
  be: 0,
  lephb: 1,
  af11: 10,
  af12: 12,
  af13: 14,
  af21: 18,
  af22: 20,
  af23: 22,
  af31: 26,
  af32: 28,
  af33: 30,
  af41: 34,
  af42: 36,
  af43: 38,
  va: 44,
  ef: 46,
};

export const ECN: Names = { "not-ect": 0, ect1: 1, ect0: 2, ce: 3 };

export const ETHER_TYPES: Names = {
  ip: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  "8021q": 0x8100,
  ip6: 0x86dd,
  "8021ad": 0x88a8,
};

export const PORTS: Names = {
  "ftp-data": 20,
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  domain: 53,
  bootps: 67,
  bootpc: 68,
  tftp: 69,
  http: 80,
  kerberos: 88,
  pop3: 110,
  sunrpc: 111,
  ntp: 123,
  "netbios-ns": 137,
  "netbios-dgm": 138,
  "netbios-ssn": 139,
  imap2: 143,
  snmp: 161,
  bgp: 179,
  ldap: 389,
  https: 443,
  "microsoft-ds": 445,
  isakmp: 500,
  syslog: 514,
  "dhcpv6-client": 546,
  "dhcpv6-server": 547,
  submission: 587,
  ipp: 631,
  ldaps: 636,
  imaps: 993,
  pop3s: 995,
  openvpn: 1194,
  nfs: 2049,
  mysql: 3306,
  "ms-wbt-server": 3389,
  "ipsec-nat-t": 4500,
  postgresql: 5432,
  mdns: 5353,
  "http-alt": 8080,
};
