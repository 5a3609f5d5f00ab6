/** What happens in a scenario: its services listen, its acts are done one after the other, and each must end as it says. */

import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ok, type Result, refused } from "../../core/base/result.ts";
import { openDeafSocket } from "../../linux/datagram.ts";
import { inNetns } from "../../linux/netns.ts";
import { sendFrames } from "../../linux/packet-socket.ts";
import { type HostRefusal, hostRefusal } from "../../linux/refusal.ts";
import { Actor } from "../actor-process.ts";
import type { Received } from "../actor-words.ts";
import type { BuiltScenario } from "./build.ts";
import { macOf, type Network } from "./network.ts";
import type { Act, FramesAct } from "./scenario.ts";

/** An answer that should come is waited for as long as a busy machine may need; one that should not, this long. */
const ANSWER_MS = 10_000;
const SILENCE_MS = 150;

/** Those who act in a scenario, ready to. */
export class Players {
  readonly #built: BuiltScenario;
  readonly #actors: ReadonlyMap<string, Actor>;
  readonly #deaf: readonly number[];

  private constructor(built: BuiltScenario, actors: ReadonlyMap<string, Actor>, deaf: readonly number[]) {
    this.#built = built;
    this.#actors = actors;
    this.#deaf = deaf;
  }

  /** Starts the services; resolves when all listen. */
  static async ready(built: BuiltScenario): Promise<Result<Players, HostRefusal>> {
    const { scenario, namespaces } = built;
    const services = scenario.services ?? [];
    const acting = scenario.acts.flatMap((act) =>
      act.kind === "udp" || act.kind === "tcp" ? [act.host] : [],
    );
    const listening = services
      .filter((service) => service.kind !== "udp-deaf")
      .map((service) => service.host);
    const actors = new Map<string, Actor>();
    const deaf: number[] = [];
    const players = new Players(built, actors, deaf);
    for (const host of new Set([...listening, ...acting])) {
      const actor = Actor.start(namespaces[host] ?? "");
      if (!actor.ok) return players.#givenUp(actor.error);
      actors.set(host, actor.value);
    }
    for (const { host, kind, port, address } of services) {
      if (kind === "udp-deaf") {
        deaf.push(inNetns(namespaces[host] ?? "", () => openDeafSocket(port)));
        continue;
      }
      const listens = await actors.get(host)?.tell({
        do: "listen",
        kind,
        port,
        ...(address === undefined ? {} : { address }),
      });
      if (listens?.ok === false) return players.#givenUp(listens.error);
    }
    return ok(players);
  }

  /** Does every act. @returns those that ended otherwise than they should, a sentence each */
  async play(): Promise<Result<readonly string[], HostRefusal>> {
    const surprises: string[] = [];
    for (const act of this.#built.scenario.acts) {
      const ended = await this.#carryOut(act);
      if (!ended.ok) return ended;
      if (act.kind !== "frames" && act.kind !== "wait" && ended.value !== act.ends)
        surprises.push(
          `${act.kind} from ${act.host} to ${act.to} port ${act.port}: ${ended.value}, and not ${act.ends}`,
        );
    }
    return ok(surprises);
  }

  async received(host: string): Promise<Result<Received, HostRefusal>> {
    return (await this.#actors.get(host)?.tell<Received>({ do: "report" })) ?? ok({});
  }

  async leave(): Promise<void> {
    for (const fd of this.#deaf) closeSync(fd);
    await Promise.all([...this.#actors.values()].map((actor) => actor.end()));
  }

  async #givenUp(error: HostRefusal): Promise<Result<never, HostRefusal>> {
    await this.leave();
    return refused(error);
  }

  async #carryOut(act: Act): Promise<Result<string, HostRefusal>> {
    if (act.kind === "wait") {
      await sleep(act.ms);
      return ok("waited");
    }
    if (act.kind === "frames") {
      const { scenario, namespaces } = this.#built;
      const frames = framesOf(act, scenario.network);
      inNetns(namespaces[act.host] ?? "", () => sendFrames(act.link, frames));
      return ok("sent");
    }
    const actor = this.#actors.get(act.host);
    if (actor === undefined)
      return refused(hostRefusal("program-failed", `nobody acts in ${act.host}`, "report this as a defect"));
    const { to, port, from, ends } = act;
    const waitMs = ends === "silence" ? SILENCE_MS : ANSWER_MS;
    if (act.kind === "tcp")
      return actor.tell<string>({ do: "tcp", to, port, from, bytes: act.bytes ?? 0, waitMs });
    const { bytes = 16, times = 1 } = act;
    return actor.tell<string>({ do: "udp", to, port, from, bytes, times, waitsFor: ends, waitMs });
  }
}

function framesOf(act: FramesAct, network: Network): readonly Uint8Array[] {
  const source = macBytes(macOf(network, act.host, act.link));
  const target = macBytes(typeof act.to === "string" ? act.to : macOf(network, ...act.to));
  return act.packets.map(({ etherType, bytes }) =>
    Uint8Array.from([...target, ...source, etherType >> 8, etherType & 0xff, ...bytes]),
  );
}

function macBytes(mac: string): readonly number[] {
  return mac.split(":").map((byte) => Number.parseInt(byte, 16));
}
