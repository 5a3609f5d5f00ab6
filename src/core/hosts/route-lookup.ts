/**
 * The kernel's routing decision for a packet at one point of its way, from a snapshot: policy rules in their order, each
 * leading to a table, until one answers (`net/core/fib_rules.c`, fib_rules_lookup).
 *
 * What cannot be computed is `not-known`, never guessed. What had to be taken for granted, because a listing is missing, is
 * told with the answer.
 */

import { parsePrefix } from "../packets/prefix.ts";
import { tableName } from "./decode/routes.ts";
import type { HostSnapshot, IpFamily, NextHop, PolicyAction, PolicyRule, Route } from "./host.ts";
import { RouteTable, type Usability } from "./route-table.ts";
import { meetsRule, type RouteQuestion } from "./rule-match.ts";
import { eitherOf } from "./settings.ts";
import { type Flow, flowOf } from "./vrf.ts";

export type { RouteQuestion } from "./rule-match.ts";

export type RouteAnswer = Routed | RouteRefused | NoRoute | RouteNotKnown;

export interface Routed {
  readonly kind: "routed";
  readonly type: "unicast" | "local" | "broadcast" | "anycast" | "multicast";
  /** Several where the kernel chooses by a hash of the packet; none for `local`. */
  readonly ways: readonly NextHop[];
  /** Null where the kernel asked no table: it takes what is bound to an interface to be on its link. */
  readonly route: Route | null;
  readonly rule: PolicyRule | null;
  readonly assumptions: readonly string[];
}

/** A route or a policy rule refuses: blackhole says nothing, the others tell the sender. */
export interface RouteRefused {
  readonly kind: "refused";
  readonly how: "blackhole" | "unreachable" | "prohibit";
  /** Null where the rule itself refuses. */
  readonly route: Route | null;
  readonly rule: PolicyRule;
  readonly assumptions: readonly string[];
}

export interface NoRoute {
  readonly kind: "no-route";
  readonly assumptions: readonly string[];
}

export interface RouteNotKnown {
  readonly kind: "not-known";
  readonly why: string;
}

/** Looks a packet up in the tables of its host. The checks around it are in `reception.ts` and `departure.ts`. */
export function lookUpRoute(host: HostSnapshot, question: RouteQuestion): RouteAnswer {
  return tablesOf(host, question.family).lookUp(question);
}

const KNOWN = new WeakMap<HostSnapshot, Map<IpFamily, RoutingTables>>();

/** Tables are sorted once for each snapshot. */
function tablesOf(host: HostSnapshot, family: IpFamily): RoutingTables {
  const families = KNOWN.get(host) ?? new Map<IpFamily, RoutingTables>();
  KNOWN.set(host, families);
  const tables = families.get(family) ?? new RoutingTables(host, family);
  families.set(family, tables);
  return tables;
}

class RoutingTables {
  readonly #host: HostSnapshot;
  readonly #tables = new Map<string, RouteTable>();
  readonly #rules: readonly PolicyRule[];
  readonly #assumptions: readonly string[];
  readonly #usability: Usability;
  readonly #family: IpFamily;

  constructor(host: HostSnapshot, family: IpFamily) {
    this.#host = host;
    this.#family = family;
    const { routes, tables, rules } = host.routing[family];
    const assumptions: string[] = [];
    this.#rules = rules ?? usualRules(family);
    if (rules === null) assumptions.push("the policy rules were not listed: the usual ones are taken");
    const byTable = new Map<string, Route[]>();
    for (const route of routes ?? []) {
      const ofTable = byTable.get(route.table);
      if (ofTable === undefined) byTable.set(route.table, [route]);
      else ofTable.push(route);
    }
    if (routes !== null) {
      for (const [name, ofTable] of byTable) this.#tables.set(name, new RouteTable(family, ofTable));
      if (tables !== "all" && !byTable.has("local")) {
        const own = localRoutes(host, family);
        this.#tables.set("local", new RouteTable(family, own ?? []));
        assumptions.push(
          own === null
            ? "the host's own addresses were not listed: the destination is taken to be none of them"
            : "the local table was not listed: it is taken from the addresses",
        );
      }
      for (const name of tables === "all" ? [] : tables)
        if (!this.#tables.has(name)) this.#tables.set(name, new RouteTable(family, []));
    }
    this.#assumptions = assumptions;
    this.#usability = {
      ignoresLinkDown: (dev) => eitherOf(host, dev, "ignore_routes_with_linkdown") === true,
    };
  }

  lookUp(question: RouteQuestion): RouteAnswer {
    const { routes } = this.#host.routing[this.#family];
    if (routes === null) return { kind: "not-known", why: "the routes were not listed" };
    const assumptions = this.#assumptions;
    const flow = flowOf(this.#host, question);
    for (let at = 0; at < this.#rules.length; at++) {
      const rule = this.#rules[at] as PolicyRule;
      const met = meetsRule(this.#host, rule, question, flow);
      if (met === false) continue;
      if (met === null)
        return { kind: "not-known", why: `whether policy rule ${rule.priority} meets it cannot be told` };
      const { action } = rule;
      if (action.kind === "goto") {
        const target = this.#rules.findIndex((other) => other.priority === action.priority);
        if (target > at) at = target - 1;
        continue;
      }
      const answer = this.#follow(rule, action, question, flow);
      if (answer !== null) return answer.kind === "not-known" ? answer : { ...answer, assumptions };
    }
    return { kind: "no-route", assumptions };
  }

  /** Null: this rule has no answer, the next is asked. */
  #follow(
    rule: PolicyRule,
    action: Exclude<PolicyAction, { kind: "goto" }>,
    question: RouteQuestion,
    flow: Flow,
  ): RouteAnswer | null {
    // Whether an IPv6 source was chosen counts with the interface as it was asked for.
    const asked = flow.out === question.out ? question : { ...question, out: flow.out };
    switch (action.kind) {
      case "nop":
        return null;
      case "l3mdev":
        return this.#askVrf(rule, asked, flow);
      case "table":
        return this.#ask(rule, action, asked);
      default:
        return { kind: "refused", how: action.kind, route: null, rule, assumptions: [] };
    }
  }

  #askVrf(rule: PolicyRule, question: RouteQuestion, { vrf }: Flow): RouteAnswer | null {
    if (vrf === null || vrf === "not-known" || vrf.vrfTable === null)
      return { kind: "not-known", why: "it belongs to a VRF, of which the table was not told: ip -d link" };
    const table = tableName(vrf.vrfTable);
    // `ip route` prints a table by the name that rt_tables gives it, and `ip -d link` by its number.
    if (
      !this.#tables.has(table) &&
      [...this.#tables.keys()].some((name) => !/^\d+$|^(local|main|default)$/.test(name))
    )
      return { kind: "not-known", why: `table ${table} of VRF ${vrf.name} may be listed under a name` };
    return this.#ask(rule, { kind: "table", table, suppressPrefixLength: null }, question);
  }

  #ask(
    rule: PolicyRule,
    { table, suppressPrefixLength }: PolicyAction & { kind: "table" },
    question: RouteQuestion,
  ): RouteAnswer | null {
    const known = this.#tables.get(table);
    if (known === undefined) {
      if (this.#host.routing[this.#family].tables === "all" || USUALLY_EMPTY.has(table)) return null;
      return {
        kind: "not-known",
        why: `table ${table}, which policy rule ${rule.priority} leads to, was not listed`,
      };
    }
    const answer = known.find(question, this.#usability);
    if (answer.kind === "nothing") return null;
    if (answer.kind === "not-known") return answer;
    const { route } = answer;
    if (answer.kind === "refusing") {
      if (route.type === "throw") return null;
      const how = route.type as RouteRefused["how"];
      return { kind: "refused", how, route, rule, assumptions: [] };
    }
    const length = parsePrefix(this.#family, route.dst)?.length ?? 0;
    if (suppressPrefixLength !== null && length <= suppressPrefixLength) return null;
    const type = route.type as Routed["type"];
    const ways = type === "local" ? [] : answer.ways;
    return { kind: "routed", type, ways, route, rule, assumptions: [] };
  }
}

/** A rule leads to it on every host, and almost none has a route in it. */
const USUALLY_EMPTY: ReadonlySet<string> = new Set(["default"]);

/** What every host begins with (`fib_default_rules_init`, `fib6_rules_net_init`). */
export function usualRules(family: IpFamily): readonly PolicyRule[] {
  const to = (priority: number, table: string): PolicyRule => ({
    family,
    priority,
    isInverted: false,
    from: null,
    to: null,
    mark: null,
    iif: null,
    oif: null,
    isDetached: false,
    tos: null,
    protocol: null,
    sport: null,
    dport: null,
    uid: null,
    action: { kind: "table", table, suppressPrefixLength: null },
    opaque: [],
  });
  const rules = [to(0, "local"), to(32_766, "main")];
  return family === "ip" ? [...rules, to(32_767, "default")] : rules;
}

/** The routes that the kernel makes for an address of the host's own; null where its addresses are not known. */
function localRoutes({ addresses }: HostSnapshot, family: IpFamily): readonly Route[] | null {
  if (addresses === null) return null;
  const all = family === "ip" ? 32 : 128;
  return addresses
    .filter((address) => address.family === family)
    .flatMap(({ address, dev, broadcast }) => {
      const local = localRoute(family, "local", `${address}/${all}`, dev);
      return broadcast === null
        ? [local]
        : [local, localRoute(family, "broadcast", `${broadcast}/${all}`, dev)];
    })
    .concat(family === "ip" ? localRoute("ip", "local", "127.0.0.0/8", "lo") : []);
}

function localRoute(family: IpFamily, type: "local" | "broadcast", dst: string, dev: string): Route {
  return {
    family,
    table: "local",
    type,
    dst,
    src: null,
    nexthops: [{ dev, via: null, weight: 1, isDead: false, isLinkDown: false }],
    prefsrc: null,
    metric: 0,
    tos: null,
    scope: type === "local" ? "host" : "link",
    protocol: "kernel",
    mtu: null,
    opaque: [],
  };
}
