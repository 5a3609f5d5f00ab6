/** Trace steps as the decoders make them, for look-up tests. */
import type { StepEvent } from "../../../src/core/events/event.ts";

const BLANK: StepEvent = {
  kind: "step",
  origin: { input: "trace", line: 1, raw: "" },
  time: null,
  netns: null,
  tracer: "xtables",
  family: "ip",
  table: "filter",
  chain: "INPUT",
  step: "rule",
  number: null,
  handle: null,
  verdict: null,
  toChain: null,
  ruleText: null,
  traceId: null,
  sighting: null,
  mark: null,
  conntrack: null,
};

/** `filter:INPUT:rule:3` as ip_tables' tracer says it. */
export function legacy(text: string, more: Partial<StepEvent> = {}): StepEvent {
  const [table = "", chain = "", step = "", number = ""] = text.split(":");
  return { ...BLANK, table, chain, step: step as StepEvent["step"], number: Number(number), ...more };
}

export function nft(more: Partial<StepEvent>): StepEvent {
  return { ...BLANK, tracer: "nft", verdict: "continue", ...more };
}
