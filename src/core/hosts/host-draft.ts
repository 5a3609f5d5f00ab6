/** A snapshot in the making: decoders put in what they read, in any order, from one source or many. */
import {
  type Absence,
  type Address,
  type ConntrackTable,
  type ForwardingEntry,
  type HostSection,
  type HostSnapshot,
  type IpFamily,
  type Link,
  type MulticastGroup,
  type Neighbour,
  type PolicyRule,
  type Route,
  type RulesetText,
  type Socket,
  type UnreadText,
  unknownHost,
} from "./host.ts";

const MOST_UNREAD_KEPT = 20;

/** `ip route show table all` prints both families, and people add `ip -6 route` all the same. */
function notIn(known: readonly Route[], routes: readonly Route[]): readonly Route[] {
  const seen = new Set(known.map((route) => JSON.stringify(route)));
  return routes.filter((route) => !seen.has(JSON.stringify(route)));
}

export class HostDraft {
  readonly #links = new Map<string, Link>();
  readonly #routes: Record<IpFamily, { routes: Route[] | null; tables: Set<string>; isWhole: boolean }> = {
    ip: { routes: null, tables: new Set(), isWhole: false },
    ip6: { routes: null, tables: new Set(), isWhole: false },
  };
  readonly #rules: Record<IpFamily, PolicyRule[] | null> = { ip: null, ip6: null };
  readonly #settings = new Map<string, string>();
  readonly #counters = new Map<string, number>();
  readonly #absences: Absence[] = [];
  readonly #unread: UnreadText[] = [];
  #hasLinks = false;
  #addresses: Address[] | null = null;
  #neighbours: Neighbour[] | null = null;
  #sockets: Socket[] | null = null;
  #forwardingDatabase: ForwardingEntry[] | null = null;
  #multicastGroups: MulticastGroup[] | null = null;
  #rulesets: RulesetText[] | null = null;
  #conntrack: ConntrackTable | null = null;
  #packetQueues: readonly number[] | null = null;
  #linkCounters: HostSnapshot["linkCounters"] = null;
  #unreadCount = 0;

  /** Nothing was put in so far. */
  get isEmpty(): boolean {
    const { ip, ip6 } = this.#routes;
    return (
      !this.#hasLinks &&
      this.#settings.size + this.#counters.size === 0 &&
      [ip.routes, ip6.routes, this.#rules.ip, this.#rules.ip6].every((part) => part === null) &&
      [
        this.#addresses,
        this.#neighbours,
        this.#sockets,
        this.#rulesets,
        this.#packetQueues,
        this.#multicastGroups,
      ].every((part) => part === null)
    );
  }

  /** A section that was read: what it has is added to it, and were it nothing, that is what the host has. */
  links(links: readonly Link[]): void {
    this.#hasLinks = true;
    for (const link of links) {
      const known = this.#links.get(link.name);
      // `ip -d link` tells the kind, `ip address` does not.
      const kind = link.kind ?? known?.kind ?? null;
      this.#links.set(link.name, { ...link, kind, vrfTable: link.vrfTable ?? known?.vrfTable ?? null });
    }
  }

  addresses(addresses: readonly Address[]): void {
    const known = this.#addresses ?? [];
    const isNew = (address: Address) =>
      !known.some((one) => one.address === address.address && one.dev === address.dev);
    this.#addresses = [...known, ...addresses.filter(isNew)];
  }

  /** @param tables those that were listed as a whole */
  routes(family: IpFamily, routes: readonly Route[], tables: "all" | readonly string[]): void {
    const known = this.#routes[family];
    known.routes = known.routes === null ? [...routes] : [...known.routes, ...notIn(known.routes, routes)];
    if (tables === "all") known.isWhole = true;
    else for (const table of tables) known.tables.add(table);
  }

  policyRules(family: IpFamily, rules: readonly PolicyRule[]): void {
    const all = [...(this.#rules[family] ?? []), ...rules];
    this.#rules[family] = all.sort((a, b) => a.priority - b.priority);
  }

  neighbours(neighbours: readonly Neighbour[]): void {
    this.#neighbours = [...(this.#neighbours ?? []), ...neighbours];
  }

  sockets(sockets: readonly Socket[]): void {
    this.#sockets = [...(this.#sockets ?? []), ...sockets];
  }

  setting(name: string, value: string): void {
    this.#settings.set(name, value);
  }

  counters(counters: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(counters)) this.#counters.set(name, value);
  }

  linkCounters(counters: NonNullable<HostSnapshot["linkCounters"]>): void {
    this.#linkCounters = counters;
  }

  conntrack(table: ConntrackTable): void {
    this.#conntrack = table;
  }

  packetQueues(numbers: readonly number[]): void {
    this.#packetQueues = numbers;
  }

  forwardingDatabase(entries: readonly ForwardingEntry[]): void {
    this.#forwardingDatabase = [...(this.#forwardingDatabase ?? []), ...entries];
  }

  multicastGroups(groups: readonly MulticastGroup[]): void {
    const known = this.#multicastGroups ?? [];
    const isNew = (group: MulticastGroup) =>
      !known.some(
        ({ family, dev, address }) =>
          family === group.family && dev === group.dev && address === group.address,
      );
    this.#multicastGroups = [...known, ...groups.filter(isNew)];
  }

  rulesets(texts: readonly RulesetText[]): void {
    this.#rulesets = [...(this.#rulesets ?? []), ...texts];
  }

  absent(section: HostSection, reason: string, hint: string | null, family: IpFamily | null = null): void {
    this.#absences.push({ section, family, reason, hint });
  }

  unread(section: HostSection, text: string, reason: string): void {
    this.#unreadCount++;
    if (this.#unread.length < MOST_UNREAD_KEPT)
      this.#unread.push({ section, text: text.slice(0, 500), reason });
  }

  end(netns: string | null, takenAt: string | null): HostSnapshot {
    return {
      ...unknownHost(netns),
      takenAt,
      links: this.#hasLinks ? [...this.#links.values()] : null,
      addresses: this.#addresses,
      routing: { ip: this.#routingOf("ip"), ip6: this.#routingOf("ip6") },
      neighbours: this.#neighbours,
      settings: this.#settings.size === 0 ? null : Object.fromEntries(this.#settings),
      sockets: this.#sockets,
      conntrack: this.#conntrack ?? this.#conntrackOfSettings(),
      packetQueues: this.#packetQueues,
      counters: this.#counters.size === 0 ? null : Object.fromEntries(this.#counters),
      linkCounters: this.#linkCounters,
      forwardingDatabase: this.#forwardingDatabase,
      multicastGroups: this.#multicastGroups,
      rulesets: this.#rulesets,
      absences: this.#absences,
      unread: this.#unread,
      unreadCount: this.#unreadCount,
    };
  }

  #routingOf(family: IpFamily): HostSnapshot["routing"]["ip"] {
    const { routes, tables, isWhole } = this.#routes[family];
    return { routes, tables: isWhole ? "all" : [...tables], rules: this.#rules[family] };
  }

  #conntrackOfSettings(): ConntrackTable | null {
    const number = (name: string) => {
      const value = this.#settings.get(`net.netfilter.${name}`);
      return value === undefined || !/^\d+$/.test(value) ? null : Number(value);
    };
    const count = number("nf_conntrack_count");
    const max = number("nf_conntrack_max");
    if (count === null && max === null) return null;
    return { count, max, buckets: number("nf_conntrack_buckets"), stats: null };
  }
}
