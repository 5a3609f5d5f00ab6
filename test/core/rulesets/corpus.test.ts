/**
 * Every collected ruleset is read; what is counted is printed, so that a change in understanding is seen.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Rule, Ruleset } from "../../../src/core/rulesets/ruleset.ts";
import { readRulesets } from "../../../src/core/rulesets/ruleset-reader.ts";
import { ruleLine, writeIptablesSave } from "../../../src/core/rulesets/write-iptables-save.ts";
import { article, corpus, type Sample, samples } from "../../support/corpus.ts";
import { chainOf, numbered, readOne, rulesOf } from "./read.ts";

const KINDS = [
  "iptables-save",
  "iptables-save-embedded",
  "iptables-list",
  "nft-json",
  "nft-ruleset",
  "nft-testsuite",
  "docker-doc",
] as const;

function read(sample: Sample): readonly Ruleset[] {
  return readRulesets(sample.text, { input: sample.name }).rulesets;
}

function isOpaque(rule: Rule): boolean {
  return [...rule.matches, ...rule.statements].some((part) => part.kind === "opaque");
}

/** As the tool prints it: every table ends, no line was touched by hand. */
function isGenuine(text: string): boolean {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  return lines.every((line) =>
    /^(\*\w+|:\S+ (ACCEPT|DROP|-) \[\d+:\d+\]|(\[\d+:\d+\] )?-A \S+(?!.* -[46] )( .*)?|COMMIT)\s*$/.test(
      line,
    ),
  );
}

/** What two readings of the same rules must share. */
function model(ruleset: Ruleset): unknown {
  return ruleset.tables.map((table) => ({
    name: table.name,
    chains: table.chains.map(({ name, base, counters, rules }) => ({
      name,
      base,
      counters,
      rules: rules.map(({ number, comment, counters, target, matches, statements }) => {
        return { number, comment, counters, target, matches, statements };
      }),
    })),
  }));
}

describe.skipIf(corpus === null)("the corpus", () => {
  it.each(KINDS)("%s is read", (kind) => {
    const files = samples(kind);
    const counts = {
      files: files.length,
      rulesets: 0,
      chains: 0,
      rules: 0,
      "rules with an opaque part": 0,
      problems: 0,
    };
    const unread: string[] = [];
    for (const sample of files) {
      const rulesets = read(sample);
      const rules = rulesOf(rulesets);
      counts.rulesets += rulesets.length;
      counts.chains += rulesets.reduce(
        (sum, one) => sum + one.tables.reduce((all, table) => all + table.chains.length, 0),
        0,
      );
      counts.rules += rules.length;
      counts["rules with an opaque part"] += rules.filter(isOpaque).length;
      counts.problems += rulesets.reduce((sum, one) => sum + one.problems.length, 0);
      if (rulesets.length === 0) unread.push(sample.name);
    }
    console.log(kind, counts);
    expect(counts.files).toBeGreaterThan(0);
    // nft's own documents are mostly about other things; everywhere else a file without rules was chosen by mistake.
    if (kind !== "nft-testsuite")
      expect(unread.filter((name) => !name.includes("list_flowtables"))).toEqual([]);
  });

  it("every -A line of a genuine save is one rule", () => {
    const genuine = samples("iptables-save").filter((sample) => isGenuine(sample.text));
    for (const sample of genuine) {
      const lines = sample.text.split("\n").filter((line) => /^(\[\d+:\d+\] )?-A /.test(line));
      const rulesets = read(sample);
      expect([sample.name, rulesOf(rulesets).length]).toEqual([sample.name, lines.length]);
      expect(rulesets.flatMap((one) => one.problems)).toEqual([]);
      expect(rulesOf(rulesets).every((rule) => rule.number !== null)).toBe(true);
    }
    expect(genuine.length).toBeGreaterThan(50);
  });

  it("a save is the same after it was written and read", () => {
    const different: string[] = [];
    let same = 0;
    let lines = 0;
    for (const sample of [...samples("iptables-save"), ...samples("iptables-save-embedded")]) {
      for (const ruleset of read(sample).filter(
        (one) => one.format === "iptables-save" && one.tables.length > 0,
      )) {
        const written = writeIptablesSave(ruleset);
        const [again] = readRulesets(written, { input: sample.name, force: true }).rulesets;
        expect([sample.name, again === undefined ? null : model(again)]).toEqual([
          sample.name,
          model(ruleset),
        ]);
        for (const { chains } of ruleset.tables) {
          for (const chain of chains) {
            for (const rule of chain.rules) {
              lines++;
              if (ruleLine(chain, rule) === rule.text) same++;
              else different.push(`${sample.name}:${rule.line}: ${rule.text}`);
            }
          }
        }
      }
    }
    console.log(`${same} of ${lines} rule lines written as they were read`);
    // Only a `-4` or `-6` among a rule's words is not written again: the table's family says it.
    expect(different.filter((line) => !/ -[46] /.test(line))).toEqual([]);
  });

  it("nft's own listings are read the same from text and JSON", () => {
    const files = new Map(samples("nft-testsuite").map((sample) => [sample.name, sample]));
    let compared = 0;
    let alike = 0;
    for (const [name, sample] of files) {
      const json = files.get(name.replace(/\.nft$/, ".json-nft"));
      if (!name.endsWith(".nft") || json === undefined) continue;
      const [fromText, fromJson] = [rulesOf(read(sample)), rulesOf(read(json))];
      expect([name, fromText.length]).toEqual([name, fromJson.length]);
      compared += fromText.length;
      alike += fromText.filter((rule, index) => rule.short === fromJson[index]?.short).length;
    }
    console.log(`${alike} of ${compared} nft rules have the same words from text and from JSON`);
    expect(compared).toBeGreaterThan(100);
    expect(alike / compared).toBeGreaterThan(0.5);
  });

  it("Docker's documents: -L and -S of the same tables agree", () => {
    let chains = 0;
    for (const sample of samples("docker-doc").filter(({ name }) => name.includes("iptablesdoc"))) {
      const rulesets = read(sample);
      const listed = rulesets.filter((one) => one.format === "iptables-list");
      const printed = rulesets.filter((one) => one.format === "iptables-rules");
      expect(listed.length).toBe(printed.length);
      for (const [index, list] of listed.entries()) {
        for (const chain of list.tables[0]?.chains ?? []) {
          const other = chainOf(printed[index] as Ruleset, list.tables[0]?.name ?? "", chain.name);
          expect([sample.name, chain.name, numbered(chain)]).toEqual([
            sample.name,
            chain.name,
            numbered(other),
          ]);
          chains++;
        }
      }
    }
    expect(chains).toBeGreaterThan(50);
  });
});

describe.skipIf(article === null)("the article's listing", () => {
  const ruleset = article === null ? null : readOne(readFileSync(join(article, "iptables-L.txt"), "utf8"));

  it("has five tables", () => {
    expect(ruleset?.tables.map((table) => table.name)).toEqual([
      "filter",
      "mangle",
      "nat",
      "security",
      "raw",
    ]);
    expect(ruleset?.problems).toEqual([]);
  });

  it("has the rules of port 10370 at 31 and 30, and no numbers behind what was left out", () => {
    const nat = chainOf(ruleset as Ruleset, "nat", "DOCKER");
    expect(nat.rules[30]).toMatchObject({
      number: 31,
      short: "! -i docker0 -p udp --dport 10370 -j DNAT --to-destination 172.18.0.2:10370",
    });
    expect(nat.rules.at(-1)?.number).toBeNull();
    const filter = chainOf(ruleset as Ruleset, "filter", "DOCKER");
    expect(filter.rules[29]?.short).toBe(
      "-d 172.18.0.2 ! -i docker0 -o docker0 -p udp --dport 10370 -j ACCEPT",
    );
    expect([nat.positions, filter.positions, filter.complete]).toEqual(["elided", "elided", false]);
  });
});
