/**
 * Which base chains exist on the host and report every packet that passes them.
 *
 * A packet that was accepted and is not heard of again has vanished only if somebody should have heard of it. Chains are
 * known from rulesets, from other packets of the same input, and because some come together: our own table has a watch
 * point at each hook that ends a way, and an iptables table registers all of its hooks at once, so where `mangle:PREROUTING` speaks, `mangle:FORWARD` and `mangle:INPUT` do. nat chains do not count: they are
 * asked for the first packet of a connection only.
 */
import type { StepEvent } from "../events/event.ts";
import type { Journey, Step } from "../journeys/journey.ts";
import type { Family, PacketFamily } from "../netfilter/family.ts";
import { type Hook, XTABLES_HOOKS, xtablesPriority } from "../netfilter/hook.ts";
import { WATCH_PRIORITY, WATCHED_HOOKS } from "../plans/own-chains.ts";
import { isOwnTable } from "../plans/own-table.ts";
import type { RuleBook } from "../rulesets/rule-book.ts";

export interface KnownChain {
  readonly netns: string | null;
  readonly tracer: StepEvent["tracer"];
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  readonly hook: Hook;
  readonly priority: number | null;
  readonly isNat: boolean;
}

export class KnownChains {
  readonly #chains = new Map<string, KnownChain>();
  /** By table. */
  readonly #learned = new Map<string, { netns: string | null; event: StepEvent; hook: Hook | null }[]>();

  constructor(book: RuleBook) {
    // A listing may hold our own table where nobody listened to nft's trace: it counts once it has spoken.
    for (const chain of book.baseChains()) if (!isOwnTable(chain.table)) this.#add(chain);
  }

  /** Learns the chains that this packet passed. */
  learn(journey: Journey): void {
    for (const step of journey.steps) {
      if (step.hook === null || step.depth > 0 || this.#isLearned(journey.netns, step)) continue;
      const { tracer, family, table, chain } = step.event;
      const common = { netns: journey.netns, tracer, family, table };
      if (step.isOwn) {
        if (family !== "inet" && family !== "ip" && family !== "ip6") continue;
        for (const watched of WATCHED_HOOKS) {
          this.#add({ ...common, chain: watched, hook: watched, priority: WATCH_PRIORITY, isNat: false });
        }
      } else if (tracer === "nft") {
        this.#add({ ...common, chain, hook: step.hook, priority: step.priority, isNat: step.isNat });
      } else {
        for (const hook of XTABLES_HOOKS[table] ?? []) {
          const priority = xtablesPriority(table, hook);
          this.#add({ ...common, chain: hook.toUpperCase(), hook, priority, isNat: table === "nat" });
        }
      }
    }
  }

  /** Nearly every step is of a chain that is known already: this is asked for each, so it makes nothing. */
  #isLearned(netns: string | null, { event, hook }: Step): boolean {
    const learned = this.#learned.get(event.table);
    if (learned === undefined) {
      this.#learned.set(event.table, [{ netns, event, hook }]);
      return false;
    }
    for (const one of learned) {
      if (one.netns !== netns || one.event.tracer !== event.tracer || one.event.family !== event.family)
        continue;
      if (event.tracer === "xtables" || (one.event.chain === event.chain && one.hook === hook)) return true;
    }
    learned.push({ netns, event, hook });
    return false;
  }

  /** Chains at a hook that report every packet of a family; behind a priority where one is given. */
  at(
    hook: Hook,
    netns: string | null,
    family: PacketFamily,
    behind: number | null = null,
  ): readonly KnownChain[] {
    const found: KnownChain[] = [];
    for (const chain of this.#chains.values()) {
      if (chain.hook !== hook || chain.isNat || chain.netns !== netns || !sees(chain.family, family))
        continue;
      if (behind !== null && (chain.priority === null || chain.priority <= behind)) continue;
      found.push(chain);
    }
    return found;
  }

  /** Whether nat chains exist at a hook. */
  hasNat(hook: Hook, netns: string | null, family: PacketFamily): boolean {
    for (const chain of this.#chains.values()) {
      if (chain.isNat && chain.hook === hook && chain.netns === netns && sees(chain.family, family))
        return true;
    }
    return false;
  }

  #add(chain: KnownChain): void {
    const key = [chain.netns, chain.tracer, chain.family, chain.table, chain.chain, chain.hook].join(" ");
    const known = this.#chains.get(key);
    if (known === undefined || known.priority === null) this.#chains.set(key, chain);
  }
}

function sees(table: Family, packet: PacketFamily): boolean {
  return table === packet || (table === "inet" && (packet === "ip" || packet === "ip6"));
}
