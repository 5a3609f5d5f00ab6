/** The pure core in process: events a second, from one packet in flight to ten thousand. */
import { readFileSync } from "node:fs";
import { type Bench, type Group, ownProgram } from "../bench.ts";
import { inTurn, measureCommand } from "../measure.ts";
import type { Row, Series } from "../row.ts";

export const linking: Group = {
  name: "linking",
  run: (bench) =>
    bench.measure("linking", "events to journeys, and to diagnoses", () => fromOneToMany(bench)),
};

const SPEEDS = [
  { key: "linking", title: "events linked to journeys" },
  { key: "explaining", title: "events linked, assembled and diagnosed" },
] as const;

type Key = (typeof SPEEDS)[number]["key"];

async function fromOneToMany(bench: Bench): Promise<readonly Row[]> {
  const measured = await bench.native("measured");
  const events = bench.isSmoke ? 3_000 : 200_000;
  const crowds = bench.isSmoke ? [1, 100] : [1, 10, 100, 1_000, 10_000];
  const speeds = new Map<string, number[]>();
  const contestants = crowds.map((inFlight) => ({
    name: `${inFlight} in flight`,
    run: async () => {
      const out = bench.newFile("linked.json");
      const words = [String(inFlight), String(events), String(bench.choices.seed), out];
      const { peakBytes } = await measureCommand(measured, [...ownProgram("inner/link.js"), ...words]);
      const said: { readonly events: number } & Record<Key, number> = JSON.parse(readFileSync(out, "utf8"));
      for (const { key } of SPEEDS) {
        const of = `${key} ${inFlight}`;
        speeds.set(of, [...(speeds.get(of) ?? []), said.events / said[key]]);
      }
      return { value: said.events / said.explaining, peakBytes };
    },
  }));
  const measuredSeries = await inTurn(contestants, bench.choices.runs);
  return SPEEDS.flatMap(({ key, title }) => {
    const series = crowds.map(
      (inFlight, at): Series => ({
        name: `nfpath, ${inFlight} in flight`,
        values: speeds.get(`${key} ${inFlight}`) ?? [],
        peakBytes: measuredSeries[at]?.peakBytes ?? null,
      }),
    );
    return crowds.map((inFlight, at): Row => {
      const own = series[at] as Series;
      const alone = series[0] as Series;
      return {
        ...{ id: `linking/${key}/${inFlight}`, title: `${title}, ${inFlight} in flight`, unit: "events/s" },
        ...{ better: "more", nfpath: own, peers: at === 0 ? [] : [alone], absent: [], notes: [] },
      };
    });
  });
}
