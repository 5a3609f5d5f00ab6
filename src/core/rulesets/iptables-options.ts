/**
 * iptables' match options that the model has a name for, and those whose number of arguments must be known to
 * find where they end. Everything else is kept as `opaque` with the plain words behind it.
 *
 * Names and arities are those of the extensions' manual (`iptables-extensions(8)`, 1.8.9).
 */
import type { MatchKind } from "./ruleset.ts";

export interface OptionSpec {
  readonly kind: MatchKind;
  readonly arguments: number;
  /** Extensions that the meaning holds for; in another one of the same option name the words stay opaque. */
  readonly modules: readonly string[] | null;
}

const PORT_MODULES = ["tcp", "udp", "udplite", "sctp", "dccp", "multiport"];

function spec(kind: MatchKind, args: number, modules: readonly string[] | null = null): OptionSpec {
  return { kind, arguments: args, modules };
}

/** Options of `iptables` itself, which need no `-m`. */
export const CORE_OPTIONS: ReadonlyMap<string, OptionSpec> = new Map([
  ["-p", spec("protocol", 1)],
  ["--protocol", spec("protocol", 1)],
  ["--proto", spec("protocol", 1)],
  ["-s", spec("source", 1)],
  ["--source", spec("source", 1)],
  ["--src", spec("source", 1)],
  ["-d", spec("destination", 1)],
  ["--destination", spec("destination", 1)],
  ["--dst", spec("destination", 1)],
  ["-i", spec("in-interface", 1)],
  ["--in-interface", spec("in-interface", 1)],
  ["-o", spec("out-interface", 1)],
  ["--out-interface", spec("out-interface", 1)],
  ["-f", spec("fragment", 0)],
  ["--fragment", spec("fragment", 0)],
  ["--fragments", spec("fragment", 0)],
  ["-4", spec("family", 0)],
  ["--ipv4", spec("family", 0)],
  ["-6", spec("family", 0)],
  ["--ipv6", spec("family", 0)],
]);

export const MATCH_OPTIONS: ReadonlyMap<string, OptionSpec> = new Map([
  ["--sport", spec("source-port", 1, PORT_MODULES)],
  ["--source-port", spec("source-port", 1, PORT_MODULES)],
  ["--sports", spec("source-port", 1, PORT_MODULES)],
  ["--source-ports", spec("source-port", 1, PORT_MODULES)],
  ["--dport", spec("destination-port", 1, PORT_MODULES)],
  ["--destination-port", spec("destination-port", 1, PORT_MODULES)],
  ["--dports", spec("destination-port", 1, PORT_MODULES)],
  ["--destination-ports", spec("destination-port", 1, PORT_MODULES)],
  ["--ctstate", spec("ct-state", 1, ["conntrack"])],
  ["--state", spec("ct-state", 1, ["state"])],
  ["--ctstatus", spec("ct-status", 1, ["conntrack"])],
  ["--mark", spec("mark", 1, ["mark"])],
  ["--src-type", spec("address-type", 1, ["addrtype"])],
  ["--dst-type", spec("address-type", 1, ["addrtype"])],
  ["--icmp-type", spec("icmp-type", 1, ["icmp"])],
  ["--icmpv6-type", spec("icmp-type", 1, ["icmp6", "icmpv6"])],
  ["--tcp-flags", spec("tcp-flags", 2, ["tcp"])],
  ["--syn", spec("tcp-flags", 0, ["tcp"])],
  ["--comment", spec("comment", 1, ["comment"])],
]);

/** Options with one free-text argument, which may begin with a dash. */
export const TEXT_OPTIONS: ReadonlySet<string> = new Set([
  "--comment",
  "--log-prefix",
  "--nflog-prefix",
  "--ulog-prefix",
  "--string",
  "--hex-string",
  "--bytecode",
  "--u32",
  "--name",
  "--hashlimit-name",
]);

/** Extensions that only say again what `-p` said when they have no option of their own. */
export const PROTOCOL_MODULES: ReadonlyMap<string, string> = new Map([
  ["tcp", "tcp"],
  ["udp", "udp"],
  ["udplite", "udplite"],
  ["sctp", "sctp"],
  ["dccp", "dccp"],
  ["icmp", "icmp"],
  ["icmp6", "ipv6-icmp"],
  ["icmpv6", "ipv6-icmp"],
  ["esp", "esp"],
  ["ah", "ah"],
]);
