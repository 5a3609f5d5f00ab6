/** `nfpath lab`: real hosts in network namespaces, to look at and to trace in. */
import { ok, type Result, refused } from "../core/base/result.ts";
import { type Lab, labUp } from "../lab/docker-udp.ts";
import type { Exchange } from "../lab/exchange.ts";
import { removeLabs } from "../lab/lab-namespaces.ts";
import type { Backend } from "../lab/requirements.ts";
import type { HostRefusal } from "../linux/refusal.ts";
import type { Trace } from "../tracing/trace.ts";
import type { OnExplained } from "./explain.ts";
import { ofHost } from "./host-refusal.ts";
import type { Refusal } from "./refusal.ts";
import { type LiveReport, traceLive } from "./trace.ts";

export interface LabRun {
  readonly live: LiveReport;
  readonly exchange: Exchange;
}

export interface LabRunOptions {
  readonly backend: Backend;
  readonly signal: AbortSignal;
  readonly onUp?: (lab: Lab) => void;
  readonly onArmed?: (trace: Trace) => void;
}

/** Builds the lab, traces the forwarder while three datagrams are echoed, and removes the lab, whatever happens. */
export async function runDockerUdp(
  options: LabRunOptions,
  onExplained: OnExplained,
): Promise<Result<LabRun, Refusal>> {
  const up = await labUp({ backend: options.backend });
  if (!up.ok) return refused(ofHost(up.error));
  const lab = up.value;
  let run: Result<LabRun, Refusal>;
  let down: Result<void, HostRefusal>;
  try {
    options.onUp?.(lab);
    run = await traceExchange(lab, options, onExplained);
  } finally {
    down = await lab.down();
  }
  return down.ok ? run : refused(ofHost(down.error));
}

async function traceExchange(
  lab: Lab,
  { signal, onArmed }: LabRunOptions,
  onExplained: OnExplained,
): Promise<Result<LabRun, Refusal>> {
  const sent: { exchange: Result<Exchange, HostRefusal> } = { exchange: ok({ echoes: [] }) };
  const live = await traceLive(
    {
      filter: { kind: "protocol", number: 17, family: null },
      netns: [lab.namespaces.forwarder],
      seconds: 30,
      packets: null,
      rate: 1000,
      during: async () => {
        sent.exchange = await lab.runExchange();
      },
      signal,
      ...(onArmed === undefined ? {} : { onArmed }),
    },
    onExplained,
  );
  if (!live.ok) return live;
  const { exchange } = sent;
  return exchange.ok ? ok({ live: live.value, exchange: exchange.value }) : refused(ofHost(exchange.error));
}

/** Builds the lab for a person, who removes it with `removeKeptLabs`. */
export async function keepDockerUdp(backend: Backend): Promise<Result<Lab, Refusal>> {
  const up = await labUp({ backend, isKept: true });
  return up.ok ? up : refused(ofHost(up.error));
}

/** Of every kind. @returns names of the namespaces that were removed */
export async function removeKeptLabs(): Promise<Result<readonly string[], Refusal>> {
  const removed = await removeLabs();
  return removed.ok ? removed : refused(ofHost(removed.error));
}
