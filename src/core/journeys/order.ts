/**
 * The steps of one packet in the order of its way.
 *
 * Each tracer tells its own steps in order, but two tracers tell theirs over two sockets. They are merged by stage of the
 * way, then by priority at the hook; the order in which they came decides the rest.
 */
import type { Hook } from "../netfilter/hook.ts";
import type { OpenStep } from "./open-journey.ts";

export function inOrderOfTheWay(steps: readonly OpenStep[]): readonly OpenStep[] {
  const first = steps[0];
  if (first === undefined || steps.every((step) => step.event.tracer === first.event.tracer)) return steps;
  // Hooks of a bridge and of devices have the names of IP's, and another place on the way.
  if (steps.some((step) => step.place?.isFrame === true)) return steps;
  const startsHere = steps.some((step) => step.place?.hook === "output");
  const stages = startsHere ? FROM_HERE : FROM_OUTSIDE;
  const keyed = placeEveryStep(steps).map(({ step, hook, priority }) => ({
    step,
    stage: hook === null ? 0 : stages[hook],
    priority: priority ?? 0,
  }));
  // Array.prototype.sort is stable: steps of equal key keep the order in which they came.
  keyed.sort((a, b) => a.stage - b.stage || a.priority - b.priority);
  return keyed.map(({ step }) => step);
}

/** A step in a chain that was jumped to happens where its base chain does: at the last place its tracer told. */
function placeEveryStep(steps: readonly OpenStep[]) {
  const last: Record<string, { hook: Hook | null; priority: number | null }> = {};
  return steps.map((step) => {
    const tracer = step.event.tracer;
    if (step.place !== null) last[tracer] = step.place;
    return { step, hook: last[tracer]?.hook ?? null, priority: last[tracer]?.priority ?? null };
  });
}

const FROM_OUTSIDE: Readonly<Record<Hook, number>> = {
  ingress: 0,
  prerouting: 1,
  input: 2,
  forward: 2,
  output: 2,
  postrouting: 3,
  egress: 4,
};

/** A packet made here; where it goes to this host itself, it comes in again over loopback. */
const FROM_HERE: Readonly<Record<Hook, number>> = {
  output: 0,
  postrouting: 1,
  egress: 2,
  ingress: 3,
  prerouting: 4,
  forward: 5,
  input: 5,
};
