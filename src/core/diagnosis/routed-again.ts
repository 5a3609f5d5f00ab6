/**
 * The second routing of a packet that this host makes: what a chain of OUTPUT has changed may lead it another way
 * (`ip_route_me_harder`, `ip6_route_me_harder`).
 *
 * Legacy iptables' mangle and nft's chains of type `route` ask for it when they leave with another mark, address or TOS than they
 * were entered with, NAT when it has changed the destination. What a filter chain changes comes too late for any route.
 */
import type { Step } from "../journeys/journey.ts";

export interface RoutedAgain {
  /** Where the packet looks as it did to routing. */
  readonly seen: Step;
  readonly mark: number | null;
  /** A chain that no listing shows changed it: only where the packet went tells whether it was routed again. */
  readonly isCertain: boolean;
}

/**
 * The last time that a chain of OUTPUT had it routed; null: none did.
 *
 * @param hop the steps of OUTPUT
 * @param behind the step after them; null where the packet was not seen again
 */
export function routedAgain(hop: readonly Step[], behind: Step | null): RoutedAgain | null {
  let last: RoutedAgain | null = null;
  let entered: number | null = null;
  const walks = walksOf(hop);
  for (const [at, walk] of walks.entries()) {
    const first = walk[0] as Step;
    const next = walks[at + 1]?.[0] ?? behind;
    if (at === 0) entered = setsFirst(first, "mark") ? null : markOf(first);
    // Without a chain before it, what it looked like is not known, and so not compared.
    const entry = setsFirst(first, "(?:dscp|ecn|saddr|daddr)") ? walks[at - 1]?.findLast(hasSighting) : first;
    // A connection that is known to NAT is translated without any chain.
    if (first.changes.some(({ field, by }) => field === "dst" && by === "conntrack"))
      last = { seen: first, mark: entered, isCertain: true };
    const left = markOnLeaving(walk, next);
    const seen = next?.sighting != null ? next : walk.findLast(hasSighting);
    const reroutes = whatReroutes(walk);
    const isOther =
      seen !== undefined &&
      (isChanged(entry, seen, reroutes === "destination") ||
        (reroutes !== "destination" && left !== entered));
    if (seen !== undefined && isOther && reroutes !== "nothing")
      last = { seen, mark: left, isCertain: reroutes !== "not-known" };
    entered = left;
  }
  if (behind?.changes.some(({ field, by }) => field === "dst" && by === "conntrack") === true)
    return { seen: behind, mark: entered, isCertain: true };
  return last;
}

/** Steps of one pass through a base chain and what it jumps to. */
function walksOf(hop: readonly Step[]): readonly (readonly Step[])[] {
  const walks: Step[][] = [];
  for (const step of hop) {
    const before = walks.at(-1)?.[0];
    const isSame =
      before !== undefined &&
      before.event.table === step.event.table &&
      before.event.family === step.event.family &&
      before.priority === step.priority;
    if (isSame) walks.at(-1)?.push(step);
    else walks.push([step]);
  }
  return walks;
}

function markOf({ sighting, event }: Step): number {
  return sighting?.mark ?? event.mark ?? 0;
}

/** nft tells of a rule, and shows a chain's packet, when its first rule that matches is done: what that has set shows already. */
function setsFirst({ event, resolved }: Step, what: string): boolean {
  return event.tracer === "nft" && new RegExp(`\\b${what} set\\b`).test(resolved.rule?.text ?? "");
}

function hasSighting({ sighting }: Step): boolean {
  return sighting !== null;
}

/** ip_tables tells of a rule before it acts, so what it did is seen at the next step. */
function markOnLeaving(walk: readonly Step[], next: Step | null): number {
  const last = walk.at(-1) as Step;
  if (last.event.tracer === "nft") return last.event.mark ?? last.sighting?.mark ?? 0;
  return markOf(next?.sighting != null ? next : last);
}

function isChanged(entry: Step | undefined, seen: Step, destinationOnly: boolean): boolean {
  const before = entry?.sighting?.packet;
  const after = seen.sighting?.packet;
  if (before === undefined || after === undefined) return false;
  const fields = destinationOnly ? (["dst"] as const) : (["src", "dst", "tos"] as const);
  return fields.some(
    (field) => before[field] !== null && after[field] !== null && before[field] !== after[field],
  );
}

/** Which changes of a walk have the packet routed again. */
function whatReroutes(walk: readonly Step[]): "all" | "destination" | "nothing" | "not-known" {
  const first = walk[0] as Step;
  if (first.isOwn) return "nothing";
  if (walk.some(({ isNat }) => isNat)) return "destination";
  const type = walk.map(({ resolved }) => resolved.chain?.base?.type).find((one) => one != null);
  if (type != null) return type === "route" || first.event.table === "mangle" ? "all" : "nothing";
  if (first.event.tracer === "xtables") return first.event.table === "mangle" ? "all" : "nothing";
  return first.event.table === "mangle" ? "all" : "not-known";
}
