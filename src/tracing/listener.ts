/** Hands events to whoever asked for them. One that throws is a defect: the trace ends, and the defect is told at its end. */
import type { Event } from "../core/events/event.ts";

export class Listener {
  /** Resolves when the listener has thrown. */
  readonly failed: Promise<void>;
  readonly #onEvents: (batch: readonly Event[]) => void;
  #thrown: { readonly error: unknown } | null = null;
  readonly #fail: () => void;

  constructor(onEvents: (batch: readonly Event[]) => void) {
    this.#onEvents = onEvents;
    let fail = (): void => {};
    this.failed = new Promise((resolve) => {
      fail = resolve;
    });
    this.#fail = fail;
  }

  readonly take = (batch: readonly Event[]): void => {
    if (this.#thrown !== null) return;
    try {
      this.#onEvents(batch);
    } catch (error) {
      this.#thrown = { error };
      this.#fail();
    }
  };

  /** Throws what the listener has thrown. */
  rethrow(): void {
    if (this.#thrown !== null) throw this.#thrown.error;
  }
}
