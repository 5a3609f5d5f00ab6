/** What the bench generates is what it says it is, and the same again from the same seed. */
import { expect, test } from "vitest";
import { DRESSES, KernelLogGenerator } from "../../bench/generate/kernel-log.ts";
import { KubeRules } from "../../bench/generate/kube-rules.ts";
import { NftTraceGenerator } from "../../bench/generate/nft-trace.ts";
import { Explainer } from "../../src/core/diagnosis/explainer.ts";
import { TextTraceDecoder } from "../../src/core/events/decode/text-trace.ts";
import { RuleBook } from "../../src/core/rulesets/rule-book.ts";
import { readRulesets } from "../../src/core/rulesets/ruleset-reader.ts";

type Generator = KernelLogGenerator | NftTraceGenerator;

function textOf(generator: Generator, lines: number): string {
  let text = "";
  for (let line = generator.next(); line !== null; line = generator.next()) {
    text += line;
    if (generator.truth.lines >= lines) generator.end();
  }
  return text;
}

function explained(text: string, book = new RuleBook([])) {
  const decoder = new TextTraceDecoder({ input: "generated", netns: null });
  const explainer = new Explainer(book);
  const events = [
    ...text.split("\n").flatMap((line, at) => [...decoder.read(line, at + 1)]),
    ...decoder.end(),
  ];
  const journeys = [...events.flatMap((event) => [...explainer.add(event)]), ...explainer.end()];
  return { events, journeys, unparsed: decoder.counts.unparsed };
}

test.each([
  ...DRESSES.map((dress) => ({
    name: dress,
    make: (seed: number) => new KernelLogGenerator({ seed, dress }),
  })),
  { name: "IPv6", make: (seed: number) => new KernelLogGenerator({ seed, dress: "dmesg", isIpv6: true }) },
  { name: "nft monitor trace", make: (seed: number) => new NftTraceGenerator({ seed }) },
  {
    name: "many in flight",
    make: (seed: number) => new KernelLogGenerator({ seed, inFlight: 500, inLockstep: true }),
  },
])("$name: every line is read, and every packet is one journey", ({ make }) => {
  const generator = make(7);
  const text = textOf(generator, 3_000);
  const { truth } = generator;
  const { events, journeys, unparsed } = explained(text);
  expect(unparsed).toBe(0);
  expect(events.filter(({ kind }) => kind === "step")).toHaveLength(truth.lines);
  expect(journeys).toHaveLength(truth.packets);
  expect(textOf(make(7), 3_000)).toBe(text);
  expect(textOf(make(8), 3_000)).not.toBe(text);
});

test("rules are as many as asked for, and a trace of packets that meet them names them", () => {
  const rules = new KubeRules(3, 500);
  const listings = [
    { text: rules.iptablesSave(), trace: new KernelLogGenerator({ seed: 3, ways: rules.ways() }) },
    { text: rules.nftJson(), trace: new NftTraceGenerator({ seed: 3, ways: rules.ways() }) },
  ];
  for (const { text, trace } of listings) {
    const { rulesets, problems } = readRulesets(text, { input: "rules", force: true });
    const chains = rulesets.flatMap(({ tables }) => tables).flatMap((table) => table.chains);
    expect(problems).toEqual([]);
    expect(chains.reduce((sum, chain) => sum + chain.rules.length, 0)).toBe(rules.count);
    expect(Math.abs(rules.count - 500)).toBeLessThanOrEqual(11);
    const { journeys } = explained(textOf(trace, 400), new RuleBook(rulesets));
    const steps = journeys.flatMap(({ journey }) => journey.steps).filter(({ kind }) => kind === "rule");
    expect(steps.length).toBeGreaterThan(0);
    const unknown = steps.filter(({ resolved }) => resolved.rule === null);
    // KNOWN_ISSUES: a mask is written otherwise in JSON than in a trace.
    expect(unknown.filter(({ event }) => !event.ruleText?.includes(" & "))).toEqual([]);
  }
});
