/** `nfpath trace`: a filter and what was said beside it, as the tables that choose the packets. */
import { ok, type Result, refused } from "../core/base/result.ts";
import type { SelectorHook } from "../core/filters/alternatives.ts";
import type { Filter } from "../core/filters/filter.ts";
import { isInterfaceName } from "../core/filters/interfaces.ts";
import { toNftRules } from "../core/filters/nft.ts";
import type { FamilyWanted, TablesWanted } from "../core/plans/trace-plan.ts";
import type { Devices, Selectors, TableFamily } from "../core/plans/trace-table.ts";
import { type Refusal, refusal } from "./refusal.ts";

/** Which packets, beside the filter. */
export interface Choice {
  /** None: inet. */
  readonly families: readonly TableFamily[];
  /** Devices at whose ends of the stack frames are chosen. */
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
  /** Also the packets that go the other way; null: where the filter names an address or a port. */
  readonly follow: boolean | null;
  /** Of each connection and direction; null: all. */
  readonly first: number | null;
  /** Null: every connection. */
  readonly sampleOneIn: number | null;
  readonly fragments: boolean;
}

export const NO_CHOICE: Choice = {
  families: [],
  ingress: [],
  egress: [],
  follow: null,
  first: null,
  sampleOneIn: null,
  fragments: false,
};

/** So many tokens fit into the kernel's limit, whose time is a week (`nft_limit_init`). */
const MOST_FIRST = 10_000;

const OF_IP: readonly TableFamily[] = ["inet", "ip", "ip6"];

/** Refused in words of the command line. */
export function tablesWanted(filter: Filter | null, choice: Choice): Result<TablesWanted, Refusal> {
  const families = familiesIn(choice);
  const wrong = problemWith(choice, families);
  if (wrong !== null) return refused(wrong);
  const wanted: FamilyWanted[] = [];
  for (const family of families) {
    const selectors = selectorsFor(filter, family, choice);
    if (!selectors.ok) return selectors;
    if (family !== "inet") {
      wanted.push({
        family,
        selectors: selectors.value,
        ...(family === "netdev" ? { devices: choice } : {}),
      });
      continue;
    }
    const ip = selectorsFor(filter, "ip", choice);
    if (!ip.ok) return ip;
    const ip6 = selectorsFor(filter, "ip6", choice);
    if (!ip6.ok) return ip6;
    wanted.push({ family, selectors: selectors.value, apart: { ip: ip.value, ip6: ip6.value } });
  }
  if (wanted.every(({ selectors }) => Object.values(selectors).every((rules) => rules.length === 0)))
    return refused(
      refusal(
        2,
        `filter: no packet of ${families.join(", ")} can match it`,
        "IP families see no ARP, and ARP's own nothing else: choose another with --family",
      ),
    );
  const { first, sampleOneIn, fragments } = choice;
  return ok({ families: wanted, follow: follows(filter, choice), first, sampleOneIn, fragments });
}

/** Whether the packets that go the other way are chosen too. Every packet has been chosen already without a filter. */
export function follows(filter: Filter | null, choice: Choice): boolean {
  if (filter === null || !familiesIn(choice).some((family) => OF_IP.includes(family))) return false;
  return choice.follow ?? namesEnd(filter);
}

/** The first choice that rules of iptables, and so a script, cannot make; null where the filter's words say everything. */
export function beyondTheFilter(choice: Choice): string | null {
  if (choice.follow === true) return "--follow";
  if (choice.first !== null) return "--first";
  if (choice.sampleOneIn !== null) return "--sample";
  if (choice.fragments) return "--fragments";
  if (choice.ingress.length > 0) return "--ingress";
  if (choice.egress.length > 0) return "--egress";
  return choice.families.some((family) => family !== "inet") ? "--family" : null;
}

/** Whether every IP packet that passes the filter is chosen: one that was on the wire and at no chain has died before. */
export function choosesAll(choice: Choice): boolean {
  const { first, sampleOneIn } = choice;
  return first === null && sampleOneIn === null && familiesIn(choice).includes("inet");
}

/** An address or a port is one of two ends, which the other way has at the other place, or translated. */
function namesEnd(filter: Filter): boolean {
  switch (filter.kind) {
    case "and":
    case "or":
      return namesEnd(filter.left) || namesEnd(filter.right);
    case "not":
      return namesEnd(filter.operand);
    default:
      return filter.kind === "address" || filter.kind === "port";
  }
}

function familiesIn({ families, ingress, egress }: Choice): readonly TableFamily[] {
  const asked = families.length === 0 ? (["inet"] as const) : families;
  const hasDevices = ingress.length + egress.length > 0;
  return [...new Set<TableFamily>([...asked, ...(hasDevices ? (["netdev"] as const) : [])])];
}

function problemWith(choice: Choice, families: readonly TableFamily[]): Refusal | null {
  const { ingress, egress, first, sampleOneIn } = choice;
  const isOfIp = families.some((family) => OF_IP.includes(family));
  const strange = [...ingress, ...egress].find((name) => !isInterfaceName(name));
  if (strange !== undefined)
    return refusal(2, `${strange} is no name of a device`, "as `ip link` shows it: --ingress eth0");
  if (families.includes("netdev") && ingress.length + egress.length === 0)
    return refusal(2, "--family netdev needs a device", "say --ingress eth0, --egress eth0 or both");
  if (families.includes("inet") && (families.includes("ip") || families.includes("ip6")))
    return refusal(2, "--family inet holds ip and ip6 already", "leave --family inet out, or the others");
  if (choice.follow === true && !isOfIp)
    return refusal(
      2,
      `--follow needs connections, which ${families.join(", ")} cannot tell apart through NAT`,
      "add --family inet",
    );
  if (choice.fragments && !isOfIp)
    return refusal(
      2,
      "--fragments is about the IP families",
      `leave it out: in ${families.join(", ")} fragments have not been put together anyway`,
    );
  if (families.includes("arp") && (first !== null || sampleOneIn !== null))
    return refusal(
      2,
      "ARP has no connections to count or to sample",
      "leave --first and --sample out, or arp",
    );
  if (first !== null && (first < 1 || first > MOST_FIRST))
    return refusal(
      2,
      `--first is 1 to ${MOST_FIRST} packets`,
      "for more, leave it out: --rate bounds a trace",
    );
  if (sampleOneIn !== null && sampleOneIn < 1) return refusal(2, "--sample is 1/1 or less", "as in 1/100");
  return null;
}

const HOOKS: Readonly<Record<TableFamily, readonly SelectorHook[]>> = {
  inet: ["prerouting", "output"],
  ip: ["prerouting", "output"],
  ip6: ["prerouting", "output"],
  bridge: ["prerouting", "output"],
  arp: ["input", "output"],
  netdev: ["ingress", "egress"],
};

function selectorsFor(
  filter: Filter | null,
  family: TableFamily,
  devices: Devices,
): Result<Selectors, Refusal> {
  const selectors: { [hook in SelectorHook]?: readonly string[] } = {};
  for (const hook of HOOKS[family]) {
    if ((hook === "ingress" || hook === "egress") && devices[hook].length === 0) continue;
    const rules = toNftRules(filter, family, hook);
    if (!rules.ok) return refused(refusal(2, `filter: ${rules.error.message}`, rules.error.hint));
    selectors[hook] = rules.value;
  }
  return ok(selectors);
}
