/**
 * What is the same for every step that names the same rule, worked out once.
 *
 * A host's packets walk the same few hundred rules over and over. Bounded: it is emptied when it is full.
 */
import type { StepEvent } from "../events/event.ts";

interface Kept<Value> {
  readonly step: StepEvent;
  readonly value: Value;
}

const MOST_KEPT = 20_000;

export class StepMemo<Value> {
  readonly #make: (step: StepEvent) => Value;
  readonly #byChain = new Map<string, Map<number, Kept<Value>[]>>();
  #size = 0;

  /** @param make must give the same for steps that name the same namespace, table, chain, kind and number */
  constructor(make: (step: StepEvent) => Value) {
    this.#make = make;
  }

  of(step: StepEvent): Value {
    const number = step.number ?? -1;
    const kept = this.#byChain.get(step.chain)?.get(number);
    if (kept !== undefined) for (const one of kept) if (namesTheSame(one.step, step)) return one.value;
    const value = this.#make(step);
    this.#keep(number, { step, value });
    return value;
  }

  #keep(number: number, kept: Kept<Value>): void {
    if (++this.#size > MOST_KEPT) {
      this.#byChain.clear();
      this.#size = 1;
    }
    const byNumber = this.#byChain.get(kept.step.chain) ?? new Map<number, Kept<Value>[]>();
    this.#byChain.set(kept.step.chain, byNumber);
    const there = byNumber.get(number);
    if (there === undefined) byNumber.set(number, [kept]);
    else there.push(kept);
  }
}

function namesTheSame(a: StepEvent, b: StepEvent): boolean {
  return (
    a.table === b.table &&
    a.step === b.step &&
    a.family === b.family &&
    a.tracer === b.tracer &&
    a.netns === b.netns
  );
}
