/** The output formats of every command that shows journeys. */
import type { Explained } from "../core/diagnosis/diagnose.ts";
import { journeyContract } from "../core/views/contract.ts";
import { markdownJourney } from "../core/views/markdown.ts";
import type { Line } from "../core/views/styled.ts";
import { describeJourney, type TreeOptions } from "../core/views/tree.ts";
import type { Format } from "./choices.ts";
import type { Output } from "./output.ts";
import { painter, wantsColour } from "./paint.ts";
import { columnsOf, glyphsFor } from "./terminal.ts";

/** Prints journeys one by one, and what frames them. */
export interface Printer {
  begin(): Promise<void>;
  journey(explained: Explained): Promise<void>;
  /** `summary` is printed by formats that have a place for it. */
  end(summary: object): Promise<void>;
}

export function printerFor(format: Format, output: Output): Printer {
  switch (format) {
    case "tree":
      return treePrinter(output);
    case "jsonl":
      return plainPrinter((explained) => output.write(`${JSON.stringify(journeyContract(explained))}\n`));
    case "md":
      return plainPrinter((explained) => output.write(`${markdownJourney(explained).join("\n")}\n`));
    case "json":
      return jsonPrinter(output);
  }
}

function treePrinter(output: Output): Printer {
  const text = treeWriter(output);
  return plainPrinter((explained) => output.write(text((options) => describeJourney(explained, options))));
}

/** Lines of any view as the terminal behind `output` shows them. */
export function treeWriter(output: Output): (describe: (options: TreeOptions) => readonly Line[]) => string {
  const paint = painter(wantsColour(output.stream, process.env));
  const options = { columns: columnsOf(output.stream), glyphs: glyphsFor(process.env) };
  return (describe) => `${describe(options).map(paint).join("\n")}\n`;
}

function plainPrinter(journey: Printer["journey"]): Printer {
  return { begin: async () => {}, journey, end: async () => {} };
}

/** One object, written as it comes, so that a million journeys need no memory. */
function jsonPrinter(output: Output): Printer {
  let separator = "";
  return {
    begin: () => output.write('{"schema":"nfpath/explanation@1","journeys":[\n'),
    journey: async (explained) => {
      await output.write(separator + JSON.stringify(journeyContract(explained)));
      separator = ",\n";
    },
    end: (summary) => output.write(`\n],"summary":${JSON.stringify(summary)}}\n`),
  };
}
