/** `nfpath explain --why-not RULE`: for each packet, which condition of that rule failed, or why it was never asked. */
import { type Refusal, refusal } from "../app/refusal.ts";
import { whyNot } from "../core/diagnosis/why-not.ts";
import type { RuleBook } from "../core/rulesets/rule-book.ts";
import { findTarget, type TargetRule } from "../core/rulesets/rule-target.ts";
import { whyNotContract } from "../core/views/why-not-contract.ts";
import { markdownWhyNot } from "../core/views/why-not-markdown.ts";
import { describeWhyNot } from "../core/views/why-not-tree.ts";
import type { Format } from "./choices.ts";
import { treeWriter } from "./formats.ts";
import type { Output } from "./output.ts";
import type { Presenter } from "./present.ts";

/** A presenter that is told the rules before the first packet, and again where they become known later. */
export interface WhyNotPresenter extends Presenter {
  useRules(book: RuleBook): void;
  /** The rule was never found; null when it was. */
  problem(): Refusal | null;
}

export function whyNotPresenter(name: string, format: Format, output: Output): WhyNotPresenter {
  let targets: readonly TargetRule[] = [];
  let problem: Refusal | null = null;
  let separator = "";
  return {
    useRules(book) {
      const found = findTarget(name, book);
      if (found.ok) targets = found.value;
      problem = found.ok ? null : refusal(2, `--why-not: ${found.error.message}`, found.error.hint);
    },
    problem: () => problem,
    begin: async () => {
      if (format === "json") await output.write('{"schema":"nfpath/explanation@1","whyNot":[\n');
    },
    journey: async (explained) => {
      if (targets.length === 0) return;
      const why = whyNot(explained, targets);
      if (format === "tree")
        await output.write(treeWriter(output)((options) => describeWhyNot(explained, why, options)));
      else if (format === "md") await output.write(`${markdownWhyNot(explained, why).join("\n")}\n`);
      else if (format === "jsonl") await output.write(`${JSON.stringify(whyNotContract(explained, why))}\n`);
      else {
        await output.write(separator + JSON.stringify(whyNotContract(explained, why)));
        separator = ",\n";
      }
    },
    end: async (report) => {
      if (format === "json") await output.write(`\n],"summary":${JSON.stringify(report)}}\n`);
    },
    isSummary: () => false,
  };
}
