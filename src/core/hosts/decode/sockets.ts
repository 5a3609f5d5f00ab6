/** Sockets as `ss -an` prints them, with or without its first columns and its heading. */

import { canonicalAddress, familyOf } from "../../packets/prefix.ts";
import type { Socket, SocketEnd } from "../host.ts";

const STATES =
  "LISTEN|UNCONN|ESTAB|SYN-SENT|SYN-RECV|FIN-WAIT-1|FIN-WAIT-2|TIME-WAIT|CLOSE-WAIT|LAST-ACK|CLOSING|CLOSED|UNKNOWN";
const NETIDS = "tcp|udp|udpl|raw|icmp6?|dccp|sctp|mptcp|???";
const ROW = new RegExp(
  `^(?:(${NETIDS.replaceAll("?", "\\?").replace("icmp6\\?", "icmp6?")})\\s+)?(${STATES})\\s+(\\d+)\\s+(\\d+)\\s+(\\S+:\\S+)\\s+(\\S+:\\S+)\\s*(.*)$`,
);

export function isSocketHeading(line: string): boolean {
  return /^(Netid\s+)?State\s+Recv-Q\s+Send-Q\s+Local Address/.test(line);
}

/**
 * A row. `ss -u` alone prints no protocol: a datagram socket is UNCONN, a stream one LISTEN, and other states are `given`
 * to the kind of the rows around them. Null when it is no row.
 */
export function socketRow(line: string, given: string | null): Socket | null {
  const match = ROW.exec(line);
  if (match === null) return null;
  const [, netid, state = "", receive, send, local = "", remote = "", rest = ""] = match;
  const protocol = netid ?? (state === "UNCONN" ? "udp" : state === "LISTEN" ? "tcp" : given);
  const here = socketEnd(local);
  const there = socketEnd(remote);
  if (here === null || there === null || protocol === null) return null;
  return {
    protocol,
    family: familyOfSocket(local, here),
    state,
    local: here,
    remote: there,
    receiveQueue: Number(receive),
    sendQueue: Number(send),
    drops: dropsOf(rest),
    process: processOf(rest),
  };
}

/** `0.0.0.0:68`, `[::]:22`, `*:80`, `127.0.0.53%lo:53`, `10.0.0.1:*`. */
function socketEnd(text: string): SocketEnd | null {
  const colon = text.lastIndexOf(":");
  const port = text.slice(colon + 1);
  const [host = "", dev = null] = text.slice(0, colon).replace(/[[\]]/g, "").split("%");
  if (!/^(\d+|\*)$/.test(port)) return null;
  const address = host === "*" ? null : canonicalAddress(host);
  if (host !== "*" && address === null) return null;
  const isAny = address === "0.0.0.0" || address === "::" || address === null;
  return { address: isAny ? null : address, port: port === "*" ? null : Number(port), dev };
}

/** `*` is an IPv6 socket that takes IPv4 too. */
function familyOfSocket(text: string, end: SocketEnd): Socket["family"] {
  if (text.startsWith("*")) return "ip6";
  if (end.address !== null) return familyOf(end.address);
  return text.includes("::") ? "ip6" : "ip";
}

/** `users:(("sshd",pid=812,fd=3))` as `sshd 812`. */
function processOf(rest: string): string | null {
  const [, name, pid] = /users:\(\("([^"]*)",pid=(\d+)/.exec(rest) ?? [];
  return name === undefined ? null : `${name} ${pid}`;
}

/** The last of `skmem:(r0,rb212992,…,d12)`: what did not fit. */
function dropsOf(rest: string): number | null {
  const drops = /skmem:\([^)]*,d(\d+)\)/.exec(rest)?.[1];
  return drops === undefined ? null : Number(drops);
}
