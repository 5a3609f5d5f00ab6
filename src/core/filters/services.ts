/**
 * Names of well-known services, for `port domain`.
 *
 * libpcap asks the host's `/etc/services`, so that a filter means something else on another machine; this table is the
 * same everywhere. As there, a name that belongs to one protocol selects that protocol too (`port ssh` is
 * `tcp port 22`), and one that belongs to several selects the number alone.
 */
import type { PortProtocol } from "./filter.ts";

export interface Service {
  readonly port: number;
  /** Null: more than one protocol. */
  readonly protocol: PortProtocol | null;
}

const TCP = table(6, {
  "ftp-data": 20,
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  whois: 43,
  finger: 79,
  http: 80,
  www: 80,
  pop3: 110,
  auth: 113,
  nntp: 119,
  "netbios-ssn": 139,
  imap: 143,
  imap2: 143,
  bgp: 179,
  submissions: 465,
  login: 513,
  printer: 515,
  submission: 587,
  rsync: 873,
  ftps: 990,
  imaps: 993,
  pop3s: 995,
  socks: 1080,
  "iscsi-target": 3260,
  mysql: 3306,
  svn: 3690,
  "xmpp-client": 5222,
  postgresql: 5432,
  redis: 6379,
  git: 9418,
});

const UDP = table(17, {
  bootps: 67,
  bootpc: 68,
  tftp: 69,
  ntp: 123,
  "netbios-ns": 137,
  "netbios-dgm": 138,
  isakmp: 500,
  syslog: 514,
  "dhcpv6-client": 546,
  "dhcpv6-server": 547,
  l2tp: 1701,
  "ipsec-nat-t": 4500,
  mdns: 5353,
});

const SEVERAL = table(null, {
  echo: 7,
  discard: 9,
  daytime: 13,
  time: 37,
  tacacs: 49,
  domain: 53,
  kerberos: 88,
  sunrpc: 111,
  snmp: 161,
  "snmp-trap": 162,
  ldap: 389,
  https: 443,
  "microsoft-ds": 445,
  rtsp: 554,
  ldaps: 636,
  "domain-s": 853,
  openvpn: 1194,
  radius: 1812,
  "radius-acct": 1813,
  nfs: 2049,
  sip: 5060,
  "sip-tls": 5061,
});

const SERVICES: ReadonlyMap<string, Service> = new Map([...TCP, ...UDP, ...SEVERAL]);

export const SERVICE_NAMES: readonly string[] = [...SERVICES.keys()];

/** The service of a name, exactly as spelt above; null for a name nobody here knows. */
export function serviceNamed(name: string): Service | null {
  return SERVICES.get(name) ?? null;
}

function table(
  protocol: PortProtocol | null,
  ports: Readonly<Record<string, number>>,
): readonly (readonly [string, Service])[] {
  return Object.entries(ports).map(([name, port]) => [name, { port, protocol }] as const);
}
