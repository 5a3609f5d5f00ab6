/**
 * Makes a finished journey of the raw events: steps in the order of the way, each resolved against the rules, grouped
 * in hops, with what changed between them and who changed it.
 */

import type { Sighting } from "../events/event.ts";
import type { PacketFamily } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";
import { isOwnTable } from "../plans/own-table.ts";
import { type ResolvedStep, resolveStep } from "../rulesets/resolve.ts";
import type { RuleBook } from "../rulesets/rule-book.ts";
import { changesBetween, didChange } from "./changes.ts";
import { impliedVerdict, type Seen } from "./implied.ts";
import type { Change, Journey, Step } from "./journey.ts";
import type { OpenJourney, OpenStep } from "./open-journey.ts";
import { inOrderOfTheWay } from "./order.ts";

const NONE: readonly string[] = [];

export function assembleJourney(open: OpenJourney, book: RuleBook): Journey {
  const steps = assembleSteps(open, book);
  return {
    id: String(open.number),
    netns: open.netns,
    family: familyOf(open),
    first: firstSighting(steps) ?? open.first,
    last: open.last,
    firstTime: open.firstTime,
    lastTime: open.lastTime,
    firstEvent: open.firstEvent,
    lastEvent: open.lastEvent,
    steps,
    logs: open.logs,
    conntrack: open.conntrack,
    unspoken: open.unspoken,
    gaps: open.gaps,
    rulesChanged: open.rulesChanged,
    joinedBy: open.joinedBy,
    alike: open.alike === null ? NONE : [...open.alike].sort((a, b) => a - b).map(String),
  };
}

/** A step while it is being made: changes are found later than the step that made them. */
type Draft = { -readonly [Key in keyof Step]: Step[Key] } & { changes: Change[] };

function assembleSteps(open: OpenJourney, book: RuleBook): readonly Step[] {
  const drafts: Draft[] = [];
  const jumps = new JumpDepth();
  let sighting: Sighting | null = null;
  let seenAt = 0;
  let hop = 0;
  let hook: Hook | null = null;
  for (const raw of inOrderOfTheWay(open.steps)) {
    const placed: Hook | null = raw.place?.hook ?? null;
    if (placed !== null && hook !== null && placed !== hook) hop++;
    hook = placed ?? hook;
    const resolved = resolveStep(raw.event, book);
    const draft = draftStep(raw, resolved, hook, hop, jumps.depthOf(raw, hop));
    if (raw.sighting !== null) {
      if (sighting !== null) {
        const candidates = drafts.slice(seenAt);
        for (const change of changesBetween(
          sighting,
          raw.sighting,
          raw.event.tracer,
          drafts.at(-1)?.hook !== hook,
        )) {
          const doer = candidates.findLast((step) =>
            didChange(step.resolved, step.event, step.isNat, change.field),
          );
          // nf_tables tells of a rule when it has worked: what it changed shows with it. NAT comes behind the chain.
          const isOwnDoing =
            raw.event.tracer === "nft" && !draft.isNat && didChange(resolved, raw.event, false, change.field);
          if (isOwnDoing) draft.changes.push({ ...change, by: "rule" });
          else if (doer === undefined) draft.changes.push(change);
          else doer.changes.push({ ...change, by: "rule" });
        }
      }
      sighting = raw.sighting;
      seenAt = drafts.length;
    }
    draft.sighting = sighting;
    drafts.push(draft);
  }
  fillInImplied(drafts);
  return drafts;
}

/** Verdicts that neither the source nor a ruleset tells, but the packet's way does. */
function fillInImplied(drafts: readonly Draft[]): void {
  const told = drafts.filter((draft) => draft.event.tracer === "xtables");
  for (const [at, draft] of told.entries()) {
    const next = told[at + 1];
    if (draft.verdict !== null || next === undefined) continue;
    const implied = impliedVerdict(seenIn(draft), seenIn(next));
    if (implied === null) continue;
    draft.verdict = implied.verdict;
    draft.toChain = implied.toChain;
    draft.verdictBy = "implied";
  }
}

function seenIn({ event, hop, depth, kind }: Draft): Seen {
  return { table: event.table, chain: event.chain, hop, depth, isEnd: kind !== "rule" };
}

function draftStep(
  raw: OpenStep,
  resolved: ResolvedStep,
  hook: Hook | null,
  hop: number,
  depth: number,
): Draft {
  return {
    event: raw.event,
    hook,
    priority: raw.place?.priority ?? null,
    isNat: raw.place?.isNat ?? false,
    hop,
    depth,
    kind: resolved.kind,
    verdict: resolved.verdict,
    verdictBy: resolved.certainty,
    toChain: resolved.toChain,
    resolved,
    sighting: null,
    changes: [],
    link: raw.link,
    alike: raw.alike.map(String),
    isOwn: raw.event.tracer === "nft" && isOwnTable(raw.event.table),
  };
}

/** The first headers in the order of the way, which need not be those that arrived first. */
function firstSighting(steps: readonly Step[]): Sighting | null {
  return steps.find((step) => step.sighting !== null)?.sighting ?? null;
}

function familyOf(open: OpenJourney): PacketFamily {
  if (open.first !== null) return open.first.packet.family;
  const family = open.steps[0]?.event.family ?? "ip";
  return family === "inet" ? "ip" : family;
}

/** Follows jumps: a chain that was not the current one was jumped to, one further up the stack was returned to. */
class JumpDepth {
  #base = "";
  #stack: string[] = [];

  depthOf(raw: OpenStep, hop: number): number {
    const { tracer, family, table, chain } = raw.event;
    const base = `${hop} ${tracer} ${family} ${table}`;
    if (base !== this.#base || raw.place?.isBase) {
      this.#base = base;
      if (raw.place?.isBase || this.#stack.at(-1) !== chain) this.#stack = [chain];
      return 0;
    }
    const at = this.#stack.lastIndexOf(chain);
    if (at === -1) this.#stack.push(chain);
    else this.#stack.length = at + 1;
    return this.#stack.length - 1;
  }
}
