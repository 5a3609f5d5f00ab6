/**
 * Which view journeys go to: themselves, flows, or a summary.
 *
 * A person who gets a thousand journeys on the terminal sees none: above so many the tree gives way to a summary that
 * fits a screen, and says how to see more. Programs and files in other formats get what they asked for, however many.
 */
import { type Refusal, refusal } from "../app/refusal.ts";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Explained } from "../core/diagnosis/diagnose.ts";
import { type Flow, FlowBook } from "../core/diagnosis/flow-book.ts";
import { type JourneySummary, SummaryCounter } from "../core/diagnosis/journey-summary.ts";
import { flowContract } from "../core/views/flow-contract.ts";
import { markdownFlow } from "../core/views/flow-markdown.ts";
import { describeFlow } from "../core/views/flow-tree.ts";
import { summaryContract } from "../core/views/summary-contract.ts";
import { markdownSummary } from "../core/views/summary-markdown.ts";
import { describeSummary } from "../core/views/summary-tree.ts";
import type { Format } from "./choices.ts";
import { type Printer, printerFor, treeWriter } from "./formats.ts";
import type { Output } from "./output.ts";
import { say } from "./say.ts";

export interface ViewFlags {
  readonly flows: boolean;
  /** Undefined: as many as there are decide. */
  readonly summary?: boolean;
  readonly whyNot?: string;
}

export type View = "journeys" | "flows" | "summary" | "journeys-or-summary";

/** Journeys that a person is shown one by one unless they ask for all. */
export const MOST_SHOWN = 50;

/** @param isEndless packets come while somebody waits for them, so a summary at the end must be asked for */
export function viewFor(flags: ViewFlags, format: Format, isEndless: boolean): Result<View, Refusal> {
  if (flags.flows && flags.summary === true)
    return refused(refusal(2, "--flows and --summary are two views", "choose one of them"));
  if (flags.whyNot !== undefined && (flags.flows || flags.summary === true))
    return refused(refusal(2, "--why-not is a view of its own", "leave --flows and --summary out"));
  if (flags.flows) return ok("flows");
  if (flags.summary === true) return ok("summary");
  if (flags.summary === false || format !== "tree" || isEndless) return ok("journeys");
  return ok("journeys-or-summary");
}

/** @param isLive journeys are shown as they come, and not held back until it is known how many there are */
export function presenterFor(view: View, format: Format, output: Output, isLive: boolean): Presenter {
  switch (view) {
    case "journeys":
      return { ...printerFor(format, output), isSummary: () => false };
    case "flows":
      return flowPresenter(format, output);
    case "summary":
      return summaryPresenter(format, output);
    case "journeys-or-summary":
      return new Few(printerFor(format, output), summaryPresenter(format, output), isLive);
  }
}

export interface Presenter extends Printer {
  /** Whether a summary has told how the journeys ended. */
  isSummary(): boolean;
}

/** Shows journeys while they are few. */
class Few implements Presenter {
  readonly #journeys: Printer;
  readonly #summary: Printer;
  readonly #isLive: boolean;
  #held: Explained[] = [];
  #count = 0;

  constructor(journeys: Printer, summary: Printer, isLive: boolean) {
    this.#journeys = journeys;
    this.#summary = summary;
    this.#isLive = isLive;
  }

  async begin(): Promise<void> {
    await this.#journeys.begin();
  }

  async journey(explained: Explained): Promise<void> {
    this.#count++;
    await this.#summary.journey(explained);
    if (this.#count > MOST_SHOWN) {
      this.#held = [];
      if (this.#isLive && this.#count === MOST_SHOWN + 1)
        say(`more than ${MOST_SHOWN} packets: the others are counted; --no-summary shows each`);
    } else if (this.#isLive) await this.#journeys.journey(explained);
    else this.#held.push(explained);
  }

  async end(report: object): Promise<void> {
    if (this.isSummary()) return this.#summary.end(report);
    for (const explained of this.#held) await this.#journeys.journey(explained);
    await this.#journeys.end(report);
  }

  isSummary(): boolean {
    return this.#count > MOST_SHOWN;
  }
}

function summaryPresenter(format: Format, output: Output): Presenter {
  const counter = new SummaryCounter();
  return {
    begin: async () => {},
    journey: async (explained) => counter.add(explained),
    end: (report) => output.write(summaryText(counter.summary(), format, output, report)),
    isSummary: () => true,
  };
}

function summaryText(summary: JourneySummary, format: Format, output: Output, report: object): string {
  switch (format) {
    case "tree":
      return treeWriter(output)((options) => describeSummary(summary, moreOf(summary), options));
    case "md":
      return `${markdownSummary(summary).join("\n")}\n`;
    case "jsonl":
      return `${JSON.stringify(summaryContract(summary))}\n`;
    case "json":
      return `${JSON.stringify({ ...summaryContract(summary), report })}\n`;
  }
}

function moreOf(summary: JourneySummary): readonly string[] {
  const [ender] = summary.enders;
  const example = ender?.example ?? summary.outcomes[0]?.example ?? "1";
  const only = ender?.verdict ?? summary.outcomes.at(-1)?.verdict ?? "dropped";
  return [
    `--journey ${example}  shows that one; --only ${only}, or a filter, those`,
    "--flows  connections; --no-summary  each packet; --format jsonl",
  ];
}

function flowPresenter(format: Format, output: Output): Presenter {
  const book = new FlowBook();
  let separator = "";
  const text = (flow: Flow): string => {
    switch (format) {
      case "tree":
        return treeWriter(output)((options) => describeFlow(flow, options));
      case "md":
        return `${markdownFlow(flow).join("\n")}\n`;
      case "jsonl":
        return `${JSON.stringify(flowContract(flow))}\n`;
      case "json": {
        const item = `${separator}${JSON.stringify(flowContract(flow))}`;
        separator = ",\n";
        return item;
      }
    }
  };
  const show = async (flows: readonly Flow[]) => {
    for (const flow of flows) await output.write(text(flow));
  };
  return {
    begin: async () => {
      if (format === "json") await output.write('{"schema":"nfpath/explanation@1","flows":[\n');
    },
    journey: (explained) => show(book.add(explained)),
    end: async (report) => {
      await show(book.end());
      if (format === "json") await output.write(`\n],"summary":${JSON.stringify(report)}}\n`);
      if (book.unplaced > 0) say(`${book.unplaced} journeys without addresses belong to no flow`);
    },
    isSummary: () => false,
  };
}
