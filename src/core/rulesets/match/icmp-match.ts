/** ICMP types in rules: `8`, `3/4`, `echo-request`. */
import type { IcmpHeader } from "../../packets/packet.ts";
import type { Holds } from "./answer.ts";

const NAMES: Readonly<Record<string, string>> = {
  "echo-reply": "0",
  pong: "0",
  "destination-unreachable": "3",
  "network-unreachable": "3/0",
  "host-unreachable": "3/1",
  "protocol-unreachable": "3/2",
  "port-unreachable": "3/3",
  "fragmentation-needed": "3/4",
  "source-quench": "4",
  redirect: "5",
  "echo-request": "8",
  ping: "8",
  "router-advertisement": "9",
  "router-solicitation": "10",
  "time-exceeded": "11",
  "parameter-problem": "12",
  "timestamp-request": "13",
  "timestamp-reply": "14",
};

const NAMES_V6: Readonly<Record<string, string>> = {
  "destination-unreachable": "1",
  "no-route": "1/0",
  "communication-prohibited": "1/1",
  "address-unreachable": "1/3",
  "port-unreachable": "1/4",
  "packet-too-big": "2",
  "time-exceeded": "3",
  "parameter-problem": "4",
  "echo-request": "128",
  ping: "128",
  "echo-reply": "129",
  pong: "129",
  "mld-listener-query": "130",
  "mld-listener-report": "131",
  "router-solicitation": "133",
  "nd-router-solicit": "133",
  "router-advertisement": "134",
  "nd-router-advert": "134",
  "neighbour-solicitation": "135",
  "neighbor-solicitation": "135",
  "nd-neighbor-solicit": "135",
  "neighbour-advertisement": "136",
  "neighbor-advertisement": "136",
  "nd-neighbor-advert": "136",
  redirect: "137",
  "nd-redirect": "137",
};

export function isIcmpType(icmp: IcmpHeader, text: string, isV6: boolean): Holds {
  if (/^(any|255)$/i.test(text)) return "matched";
  const named = (isV6 ? NAMES_V6 : NAMES)[text.toLowerCase()] ?? text;
  const [, type, code] = /^(\d+)(?:\/(\d+))?$/.exec(named) ?? [];
  if (type === undefined || icmp.type === null) return "not-known";
  if (icmp.type !== Number(type)) return "failed";
  if (code === undefined) return "matched";
  if (icmp.code === null) return "not-known";
  return icmp.code === Number(code) ? "matched" : "failed";
}
