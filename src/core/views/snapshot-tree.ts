/** A snapshot as a person reads it: what each namespace has, in a line a thing, and what could not be read. The file has it all. */
import type { HostSnapshot, IpFamily, Link, Routing, Snapshot } from "../hosts/host.ts";
import { numberSetting, ofInterface, settingOf } from "../hosts/settings.ts";
import { type Line, pad, span, wrap } from "./styled.ts";

export interface SnapshotTreeOptions {
  readonly columns: number;
}

const LABEL_COLUMNS = 17;

export function describeSnapshot(snapshot: Snapshot, options: SnapshotTreeOptions): readonly Line[] {
  return snapshot.hosts.flatMap((host, at) => [
    ...(at === 0 ? [] : [[]]),
    ...describeHost(host, snapshot.kernel, options),
  ]);
}

function describeHost(
  host: HostSnapshot,
  kernel: string | null,
  options: SnapshotTreeOptions,
): readonly Line[] {
  const where = host.netns === null ? "this namespace" : `netns ${host.netns}`;
  const when = [host.takenAt, kernel === null ? null : `Linux ${kernel}`].filter((part) => part !== null);
  const lines: Line[] = [
    [span(where, "strong"), span(when.length === 0 ? "" : `  ${when.join("  ")}`, "dim")],
  ];
  const tell = (label: string, text: string, style: "plain" | "doubtful" = "plain") => {
    const rows = wrap(text, Math.max(24, options.columns - LABEL_COLUMNS));
    for (const [at, row] of rows.entries())
      lines.push([span(pad(at === 0 ? `  ${label}` : "", LABEL_COLUMNS), "dim"), span(row, style)]);
  };
  for (const link of host.links ?? []) tell(link.name, linkWords(host, link));
  tell("routes", `IPv4 ${routingWords(host.routing.ip)}; IPv6 ${routingWords(host.routing.ip6)}`);
  tell(
    "forwarding",
    `IPv4 ${onOff(settingOf(host, "net.ipv4.ip_forward"))}, IPv6 ${onOff(settingOf(host, "net.ipv6.conf.all.forwarding"))}`,
  );
  const { neighbours, sockets, conntrack, rulesets } = host;
  if (neighbours !== null) {
    const failed = neighbours.filter(({ state }) => state === "FAILED" || state === "INCOMPLETE").length;
    tell("neighbours", `${neighbours.length}${failed === 0 ? "" : `, of which ${failed} do not answer`}`);
  }
  if (sockets !== null) {
    const waiting = sockets.filter(({ state }) => state === "LISTEN" || state === "UNCONN").length;
    tell("sockets", `${sockets.length}, of which ${waiting} wait for somebody`);
  }
  if (conntrack !== null)
    tell("conntrack", `${conntrack.count ?? "?"} of ${conntrack.max ?? "?"} connections`);
  if (rulesets !== null)
    tell("rules", rulesets.length === 0 ? "none" : rulesets.map(({ command }) => command).join(", "));
  for (const { section, family, reason, hint } of host.absences)
    tell(
      "not read",
      `${family === null ? "" : `${familyWords(family)} `}${section}: ${reason}${hint === null ? "" : `; ${hint}`}`,
      "doubtful",
    );
  if (host.unreadCount > 0)
    tell(
      "not understood",
      `${host.unreadCount}, the first of ${host.unread[0]?.section}: ${host.unread[0]?.text}`,
      "doubtful",
    );
  return lines;
}

function linkWords(host: HostSnapshot, link: Link): string {
  const words = [link.isUp ? (link.hasCarrier === false ? "up, no carrier" : "up") : "down"];
  if (link.kind !== null) words.push(link.kind);
  if (link.mtu !== null) words.push(`mtu ${link.mtu}`);
  if (link.master !== null) words.push(`part of ${link.master}`);
  const filter = Math.max(
    numberSetting(host, "net.ipv4.conf.all.rp_filter") ?? 0,
    ofInterface(host, "ipv4", link.name, "rp_filter") ?? 0,
  );
  if (filter > 0) words.push(`rp_filter ${filter}`);
  const addresses = (host.addresses ?? []).filter(({ dev }) => dev === link.name);
  return [
    words.join(", "),
    ...addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
  ].join("  ");
}

function routingWords({ routes, rules }: Routing): string {
  if (routes === null) return "not read";
  const tables = new Set(routes.map(({ table }) => table));
  const count = `${routes.length} in ${tables.size === 1 ? "1 table" : `${tables.size} tables`}`;
  return rules === null ? count : `${count}, ${rules.length} policy rules`;
}

function familyWords(family: IpFamily): string {
  return family === "ip" ? "IPv4" : "IPv6";
}

function onOff(value: string | null): string {
  return value === null ? "not read" : value === "0" ? "off" : "on";
}
