/** From styled lines to text for a terminal or a pipe: the only place that knows colour codes. */
import pc from "picocolors";
import type { Line, Style } from "../core/views/styled.ts";

export type Paint = (line: Line) => string;

/** Whether to colour, by the conventions of `NO_COLOR` and `FORCE_COLOR`: an empty value counts as absent. */
export function wantsColour(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== "0";
  return stream.isTTY === true && env.TERM !== "dumb";
}

export function painter(isColoured: boolean): Paint {
  if (!isColoured)
    return (line) =>
      line
        .map((span) => span.text)
        .join("")
        .trimEnd();
  const colours = pc.createColors(true);
  const brush: Readonly<Record<Style, (text: string) => string>> = {
    plain: (text) => text,
    dim: colours.dim,
    strong: colours.bold,
    good: colours.green,
    bad: colours.red,
    doubtful: colours.yellow,
    note: colours.cyan,
    rule: colours.magenta,
  };
  return (line) =>
    line.map((span) => (span.text.trim() === "" ? span.text : brush[span.style](span.text))).join("");
}
