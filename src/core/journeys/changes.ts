/** What differs between two sightings of one packet. */

import type { Sighting, StepEvent } from "../events/event.ts";
import { tcpFlagNames } from "../packets/packet.ts";
import type { ResolvedStep } from "../rulesets/resolve.ts";
import { statementsOf } from "../rulesets/rule-statements.ts";
import type { Statement } from "../rulesets/ruleset.ts";
import type { Change, ChangedField } from "./journey.ts";
import { rewritesField } from "./rewritten.ts";
import { isMasked } from "./same-packet.ts";

const NO_CHANGES: readonly Change[] = [];

/**
 * The changes from one sighting to the next, as far as both tell. `by` says what is likely when no rule did it: the
 * caller knows the rules in between.
 */
export function changesBetween(
  before: Sighting,
  now: Sighting,
  tracer: StepEvent["tracer"],
  crossedHook: boolean,
): readonly Change[] {
  if (before === now) return NO_CHANGES;
  const changes: Change[] = [];
  const compare = (
    field: ChangedField,
    from: string | number | null,
    to: string | number | null,
    by: Change["by"],
  ) => {
    if (from === to || from === null || to === null || hides(from) || hides(to)) return;
    changes.push({ field, from, to, by });
  };
  compare("src", before.packet.src, now.packet.src, "conntrack");
  compare("sport", before.packet.sport, now.packet.sport, "conntrack");
  compare("dst", before.packet.dst, now.packet.dst, "conntrack");
  compare("dport", before.packet.dport, now.packet.dport, "conntrack");
  compare("ttl", before.packet.ttl, now.packet.ttl, crossedHook ? "routing" : "unknown");
  compare("tos", before.packet.tos, now.packet.tos, "unknown");
  const [flagsBefore, flagsNow] = [flagsOf(before), flagsOf(now)];
  if (flagsBefore !== flagsNow && flagsBefore !== null && flagsNow !== null)
    changes.push({ field: "tcpFlags", from: flagsBefore, to: flagsNow, by: "unknown" });
  compare("length", before.packet.length, now.packet.length, "unknown");
  compare("in", before.in, now.in, "unknown");
  if (before.out !== now.out && now.out !== null) {
    changes.push({ field: "out", from: before.out, to: now.out, by: "routing" });
  }
  // The kernel log leaves a mark of 0 out; netlink leaves out what the kernel did not tell.
  const unsaid = tracer === "xtables" ? 0 : null;
  compare("mark", before.mark ?? unsaid, now.mark ?? unsaid, "unknown");
  return changes;
}

function flagsOf({ packet }: Sighting): string | null {
  const flags = packet.tcp?.flags ?? null;
  return flags === null ? null : tcpFlagNames(flags).join(" ");
}

/** A value that somebody took out may be the same as the one shown elsewhere. */
function hides(value: string | number): boolean {
  return typeof value === "string" && isMasked(value);
}

/**
 * Whether a step's rule is of the kind that changes this field. A rule whose text nobody has is believed to, when it is
 * the nat table's and the field is NAT's.
 */
export function didChange(
  resolved: ResolvedStep,
  event: StepEvent,
  isNat: boolean,
  field: ChangedField,
): boolean {
  if (resolved.kind !== "rule") return false;
  const changers = CHANGERS[field];
  if (changers === undefined) return false;
  const statements = statementsOf(resolved, event);
  if (statements !== null)
    return statements.some(
      (statement) => changers.includes(nameOf(statement)) || rewritesField(statement, field),
    );
  if (resolved.target !== null) return changers.includes(resolved.target.toLowerCase());
  return isNat && resolved.toChain === null && NAT_FIELDS.includes(field);
}

const NAT_FIELDS: readonly ChangedField[] = ["src", "sport", "dst", "dport"];

const CHANGERS: Readonly<Partial<Record<ChangedField, readonly string[]>>> = {
  src: ["snat", "masquerade", "netmap"],
  sport: ["snat", "masquerade"],
  dst: ["dnat", "redirect", "netmap"],
  dport: ["dnat", "redirect"],
  mark: ["mark", "connmark"],
  ttl: ["ttl", "hl"],
  tos: ["tos", "dscp", "ip dscp set", "ip6 dscp set", "ip ecn set", "ip6 ecn set"],
  tcpFlags: ["ecn"],
};

function nameOf(statement: Statement): string {
  return statement.kind === "pass" || statement.kind === "opaque"
    ? statement.name.toLowerCase()
    : statement.kind;
}
