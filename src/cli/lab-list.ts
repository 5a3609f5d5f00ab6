/** The list of labs: name, whose rules it has, what it shows, and the causes that it is about. */
import { SCENARIOS } from "../lab/scenarios/catalogue.ts";
import { causesOf, variantsOf } from "../lab/scenarios/scenario.ts";
import { DOCKER_UDP } from "./lab-words.ts";

export interface LabEntry {
  readonly name: string;
  readonly title: string;
  readonly backends: readonly string[];
  readonly causes: readonly string[];
  readonly story: string;
}

export function labListObject(): readonly LabEntry[] {
  return [
    {
      name: DOCKER_UDP,
      title: "a Docker host with 100 published UDP ports, and datagrams that take two fragments",
      backends: ["legacy", "nft"],
      causes: ["dnat", "defragmented"],
      story:
        "Three datagrams are sent to a published port; nat has something to say about the first one only.",
    },
    ...SCENARIOS.map((scenario) => ({
      name: scenario.name,
      title: scenario.title,
      backends: variantsOf(scenario),
      causes: causesOf(scenario),
      story: scenario.story,
    })),
  ];
}

/** `none` is how we call it, and says little to others. */
export function labListLines(): readonly string[] {
  const rows = labListObject().map(({ name, title, backends, causes }) => [
    name,
    backends.join(" ").replace("none", "no rules"),
    causes.join(" ") || "—",
    title,
  ]);
  const all = [["name", "rules", "causes", "what it shows"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
