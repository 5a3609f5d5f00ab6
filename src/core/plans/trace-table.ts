/**
 * The text of one of our tables: which packets are marked, in one line of nft, because `nft -i` takes a line as one
 * transaction: all of it or nothing.
 *
 *     hook (-350)  ─ one of the filter's matches ─▶ meant ─ sample ─ remember ─ first ─▶ chosen: count, limit, mark
 *                  ─ an answer that is expected ───────────────────────── first ─▶ chosen
 *     connections (-199)  ─ the other way of a chosen connection ──────── first ─▶ chosen_answers
 *     watch points (+350)  behind all NAT: which answers to expect
 *
 * Without `--follow`, `--first` and `--sample` the matches lead to `chosen` at once. All marking chains share one limit. Its
 * `accept` ends only our own base chain, and saves the trace two events a packet.
 *
 * Nothing here knows whether a packet was marked (nft cannot ask for the trace bit), so behind conntrack the filter is asked
 * again, of the packets of chosen connections only.
 */
import type { Hook } from "../netfilter/hook.ts";
import { leftoverKinds, type PacketKind, packetKinds, setOptions, type Version } from "./connections.ts";
import {
  CHOSEN_ANSWERS_CHAIN,
  CHOSEN_CHAIN,
  CHOSEN_FRAGMENTS_CHAIN,
  CONNECTION_PRIORITY,
  connectionChain,
  FORGOTTEN_CHAIN,
  FRAGMENT_PRIORITY,
  SELECTOR_PRIORITY,
  WATCH_PRIORITY,
  WATCHED_HOOKS,
  watchChain,
} from "./own-chains.ts";

export type TableFamily = "inet" | "ip" | "ip6" | "bridge" | "arp" | "netdev";

/** Which packets to trace: per hook, nft match expressions of which one must hold. `""` matches every packet. */
export type Selectors = { readonly [hook in Hook]?: readonly string[] };

/**
 * How the other way of a connection is known: `conntrack` through NAT, where it is in use already; `mirrored` by the same
 * addresses and ports the other way round, where nothing is translated because there is no conntrack.
 */
export type Follow = "conntrack" | "mirrored";

export interface TraceTable {
  readonly family: TableFamily;
  readonly table: string;
  readonly selectors: Selectors;
  /** Seconds since 1970-01-01 UTC after which the rules match nothing any more, whatever becomes of us. */
  readonly deadline: number;
  /** Packets a second that are marked at most. */
  readonly ratePerSecond: number;
  /** Devices of a netdev table. */
  readonly devices?: Devices;
  readonly follow?: Follow | null;
  /** Of each connection, in each direction, mark so many packets at most. */
  readonly first?: number | null;
  /** Of so many connections mark the packets of one. */
  readonly sampleOneIn?: number | null;
  /** Choose before fragments are put together. */
  readonly fragments?: boolean;
}

export interface Devices {
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
}

export function tableCommand(table: TraceTable): string {
  return new TableText(table).command();
}

/** The chains in which packets are counted and marked. */
export function markingChains(table: Pick<TraceTable, "follow" | "fragments">): readonly string[] {
  const first = table.fragments === true ? CHOSEN_FRAGMENTS_CHAIN : CHOSEN_CHAIN;
  return table.follow === "conntrack" ? [first, CHOSEN_ANSWERS_CHAIN] : [first];
}

/** So slow that no trace is long enough for another packet. */
const ONCE = "1/week";

class TableText {
  readonly #table: TraceTable;
  readonly #name: string;
  readonly #kinds: readonly PacketKind[];
  readonly #chosen: string;
  readonly #commands: string[] = [];

  constructor(table: TraceTable) {
    this.#table = table;
    this.#name = `${table.family} ${table.table}`;
    this.#kinds = versionsOf(table.family).flatMap(packetKinds);
    this.#chosen = table.fragments === true ? CHOSEN_FRAGMENTS_CHAIN : CHOSEN_CHAIN;
  }

  command(): string {
    const { follow = null, first = null, sampleOneIn = null } = this.#table;
    this.#commands.push(`add table ${this.#name} { flags owner; }`);
    if (follow === "conntrack") {
      const { ratePerSecond } = this.#table;
      this.#commands.push(
        `add limit ${this.#name} pace { rate ${ratePerSecond}/second burst ${ratePerSecond} packets; }`,
      );
    }
    for (const chain of markingChains(this.#table)) this.#markingChain(chain);
    if (first !== null || follow !== null) this.#chain(FORGOTTEN_CHAIN, ["counter"]);
    if (first !== null) this.#firstChains(first);
    if (follow !== null) this.#rememberChain(follow);
    if (first !== null || follow !== null || sampleOneIn !== null) this.#meantChain();
    if (follow === "conntrack") this.#connectionChains();
    this.#selectorChains();
    if (follow === "conntrack") this.#expectChains();
    this.#watchPoints();
    return this.#commands.join("; ");
  }

  #markingChain(chain: string): void {
    const { ratePerSecond, deadline, follow } = this.#table;
    const limit =
      follow === "conntrack"
        ? 'limit name "pace"'
        : `limit rate ${ratePerSecond}/second burst ${ratePerSecond} packets`;
    this.#chain(chain, [expired(deadline), "counter", `${limit} counter meta nftrace set 1 accept`]);
  }

  #selectorChains(): void {
    const { selectors, fragments, follow, family, devices } = this.#table;
    const priority = fragments === true ? FRAGMENT_PRIORITY : SELECTOR_PRIORITY;
    for (const hook of ["prerouting", "input", "output", "ingress", "egress"] as const) {
      const expressions = selectors[hook] ?? [];
      const on = hook === "ingress" || hook === "egress" ? (devices?.[hook] ?? []) : null;
      if (expressions.length === 0 || on?.length === 0) continue;
      const where = on === null ? "" : ` devices = { ${on.map((device) => `"${device}"`).join(", ")} }`;
      const expected = follow == null ? [] : this.#expected(`goto ${this.#firstOr(this.#chosen)}`);
      const chosen = expressions.map((match) => rule(match, `goto ${this.#entrance()}`));
      this.#base(hook, `hook ${hook}${where}`, priority, [...expected, ...chosen]);
    }
    if (family === "arp" || follow !== "conntrack") return;
    for (const hook of ["prerouting", "output"] as const) this.#connectionBase(hook);
  }

  /** Where the filter's matches lead. */
  #entrance(): string {
    const { follow = null, first = null, sampleOneIn = null } = this.#table;
    return first === null && follow === null && sampleOneIn === null ? this.#chosen : "meant";
  }

  #meantChain(): void {
    const { deadline, sampleOneIn = null, follow = null } = this.#table;
    this.#chain("meant", [
      expired(deadline),
      // Symmetric: both directions of a connection that is not translated have the same hash.
      ...(sampleOneIn === null ? [] : [`symhash mod ${sampleOneIn} != 0 return`]),
      ...(follow === null ? [] : ["jump remember"]),
      `goto ${this.#firstOr(this.#chosen)}`,
    ]);
  }

  #firstOr(chosen: string): string {
    return this.#table.first == null ? chosen : `first_${chosen}`;
  }

  /** A set's element has a limit of its own that never fills up again. The key says which hook, for loopback has two. */
  #firstChains(most: number): void {
    const kinds = [...this.#kinds, ...versionsOf(this.#table.family).flatMap(leftoverKinds)];
    for (const kind of kinds)
      this.#commands.push(`add set ${this.#name} first_${kind.name} ${setOptions(withInterface(kind.type))}`);
    for (const chosen of markingChains(this.#table)) {
      const rules = kinds.flatMap(({ name, condition, key }) => [
        `${condition} add @first_${name} { iifname . ${key} limit rate ${ONCE} burst ${most} packets } goto ${chosen}`,
        `${condition} iifname . ${key} != @first_${name} goto ${FORGOTTEN_CHAIN}`,
      ]);
      // What is left are later packets of a connection, and frames that belong to none.
      const rest = isOfIp(this.#table.family) ? [] : [`meta protocol != { ip, ip6 } goto ${chosen}`];
      this.#chain(`first_${chosen}`, [...rules, ...rest]);
    }
  }

  #rememberChain(follow: Follow): void {
    for (const { name, type } of this.#kinds) {
      this.#commands.push(`add set ${this.#name} expected_${name} ${setOptions(type)}`);
      if (follow === "conntrack")
        this.#commands.push(`add set ${this.#name} met_${name} ${setOptions(type)}`);
    }
    const rules = this.#kinds.flatMap(({ name, condition, key, mirrored }) => {
      const element =
        follow === "conntrack" ? `@met_${name} { ${key} }` : `@expected_${name} { ${mirrored} }`;
      return [`${condition} add ${element} return`, `${condition} goto ${FORGOTTEN_CHAIN}`];
    });
    this.#chain("remember", rules);
  }

  #expected(verdict: string): string[] {
    return this.#kinds.map(({ name, condition, key }) => `${condition} ${key} @expected_${name} ${verdict}`);
  }

  /** `asked`: a packet of the original direction was chosen, `answered`: one of the reply direction. */
  #connectionChains(): void {
    for (const set of ["asked", "answered"])
      this.#commands.push(`add set ${this.#name} ${set} ${setOptions("typeof ct id")}`);
    this.#chain("met", [
      "ct direction original add @asked { ct id } accept",
      "ct direction reply add @answered { ct id } accept",
      "ct state invalid,untracked accept",
      `goto ${FORGOTTEN_CHAIN}`,
    ]);
    const sample = this.#table.sampleOneIn == null ? "" : ` symhash mod ${this.#table.sampleOneIn} 0`;
    for (const hook of ["prerouting", "output"] as const) {
      this.#chain(`other_way_${hook}`, [
        // These have been chosen before.
        ...(this.#table.selectors[hook] ?? []).map((match) => rule(`${match.trim()}${sample}`, "return")),
        ...this.#expected("return"),
        `goto ${this.#firstOr(CHOSEN_ANSWERS_CHAIN)}`,
      ]);
    }
  }

  #connectionBase(hook: "prerouting" | "output"): void {
    this.#base(connectionChain(hook), `hook ${hook}`, CONNECTION_PRIORITY, [
      `ct direction reply ct id @asked jump other_way_${hook}`,
      `ct direction original ct id @answered jump other_way_${hook}`,
      ...this.#kinds.map(({ name, condition, key }) => `${condition} ${key} @met_${name} goto met`),
    ]);
  }

  /** Behind all NAT conntrack's tuple of the other direction is what its packets will say when they come in. */
  #expectChains(): void {
    for (const [chain, here, there] of [
      ["expect_replies", "original", "reply"],
      ["expect_requests", "reply", "original"],
    ] as const) {
      this.#chain(chain, [
        ...this.#kinds.map(
          ({ name, condition, translated }) =>
            `${condition} ct direction ${here} add @expected_${name} { ${translated(there)} } accept`,
        ),
        "accept",
      ]);
    }
  }

  #watchPoints(): void {
    const { family, follow } = this.#table;
    if (family === "netdev") return;
    for (const hook of family === "arp" ? (["input", "output"] as const) : WATCHED_HOOKS) {
      const expect =
        follow === "conntrack" && hook !== "forward"
          ? ["ct id @asked goto expect_replies", "ct id @answered goto expect_requests"]
          : [];
      // An empty chain reports its end and its policy: two events a packet, where a rule makes one.
      this.#base(watchChain(hook, family), `hook ${hook}`, WATCH_PRIORITY, [...expect, "accept"]);
    }
  }

  #base(chain: string, hook: string, priority: number, rules: readonly string[]): void {
    this.#commands.push(`add chain ${this.#name} ${chain} { type filter ${hook} priority ${priority}; }`);
    this.#rules(chain, rules);
  }

  #chain(chain: string, rules: readonly string[]): void {
    this.#commands.push(`add chain ${this.#name} ${chain}`);
    this.#rules(chain, rules);
  }

  #rules(chain: string, rules: readonly string[]): void {
    for (const text of rules) this.#commands.push(`add rule ${this.#name} ${chain} ${text}`);
  }
}

function isOfIp(family: TableFamily): boolean {
  return family === "inet" || family === "ip" || family === "ip6";
}

function versionsOf(family: TableFamily): readonly Version[] {
  if (family === "ip") return [4];
  if (family === "ip6") return [6];
  return family === "arp" ? [] : [4, 6];
}

function withInterface(type: string): string {
  return type.replace(/^typeof /, "typeof iifname . ").replace(/^type /, "type ifname . ");
}

/** A number is read as seconds since 1970 UTC; a date would be read in the time zone of the process. */
function expired(deadline: number): string {
  return `meta time >= ${deadline} return`;
}

function rule(match: string, verdict: string): string {
  const trimmed = match.trim();
  return trimmed === "" ? verdict : `${trimmed} ${verdict}`;
}
