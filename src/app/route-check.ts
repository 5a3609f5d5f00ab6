/**
 * Whether `ip route get` says the same as the routing that is shown. Each packet's question is asked once, when it is shown,
 * which is a moment after the packet: where they differ, the routes may have changed since, or nfpath is wrong.
 */
import type { Explained } from "../core/diagnosis/diagnose.ts";
import type { KernelWord, RoutingNote } from "../core/diagnosis/routing.ts";
import { expectedOfDeparture, expectedOfReception, routeGetWords } from "../core/hosts/route-get.ts";
import { RouteAsker } from "../linux/snapshot/ask-routes.ts";

/** A flood of tuples is not worth a process each; the rest is shown unasked. */
const MOST_QUESTIONS = 500;

export class RouteCheck {
  readonly #answers = new Map<string, string | null>();
  readonly #disagreements = new Set<string>();
  readonly #askers: ReadonlyMap<string | null, RouteAsker>;

  /** To be made while nfpath may still enter the namespaces, and to be ended. */
  constructor(netns: readonly (string | null)[]) {
    this.#askers = new Map(netns.map((name) => [name, new RouteAsker(name)]));
  }

  async end(): Promise<void> {
    await Promise.all([...this.#askers.values()].map((asker) => asker.end()));
  }

  /** For a person, one a question. */
  get disagreements(): readonly string[] {
    return [...this.#disagreements];
  }

  /** The same journeys, with the kernel's word where it was asked. */
  async check(leaving: readonly Explained[]): Promise<readonly Explained[]> {
    await this.#ask(leaving);
    return leaving.map((explained) => {
      const { routing, journey } = explained;
      if (routing.length === 0) return explained;
      return { ...explained, routing: routing.map((note) => this.#compare(note, journey.netns)) };
    });
  }

  async #ask(leaving: readonly Explained[]): Promise<void> {
    const unasked = new Map<string | null, Map<string, RoutingNote>>();
    let room = MOST_QUESTIONS - this.#answers.size;
    for (const { journey, routing } of leaving) {
      for (const note of routing) {
        const key = keyOf(note, journey.netns);
        const ofNetns = unasked.get(journey.netns) ?? new Map<string, RoutingNote>();
        if (expected(note) === null || this.#answers.has(key) || ofNetns.has(key) || room-- <= 0) continue;
        unasked.set(journey.netns, ofNetns.set(key, note));
      }
    }
    for (const [netns, notes] of unasked) {
      const asked = [...notes.values()].map(({ question }) => question);
      const answers = (await this.#askers.get(netns)?.ask(asked)) ?? [];
      for (const [at, key] of [...notes.keys()].entries()) this.#answers.set(key, answers[at] ?? null);
    }
  }

  #compare(note: RoutingNote, netns: string | null): RoutingNote {
    const words = this.#answers.get(keyOf(note, netns)) ?? null;
    const ours = expected(note);
    if (words === null || ours === null) return note;
    const kernel: KernelWord = { agrees: ours.includes(words), words };
    if (!kernel.agrees) {
      const where = netns === null ? "" : `in ${netns}: `;
      this.#disagreements.add(
        `${where}ip ${routeGetWords(note.question)} says ${words}, and the snapshot's routes ${ours.join(" or ")}: did routes change meanwhile?`,
      );
    }
    return { ...note, kernel };
  }
}

function keyOf({ question }: RoutingNote, netns: string | null): string {
  return `${netns ?? ""} ${question.family} ${routeGetWords(question)}`;
}

function expected({ decision, question, isAskable }: RoutingNote): readonly string[] | null {
  if (!isAskable) return null;
  return decision.at === "departure"
    ? expectedOfDeparture(decision.answer)
    : expectedOfReception(decision.reception, question.family);
}
