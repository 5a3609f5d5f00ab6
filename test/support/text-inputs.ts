/** Inputs for `explain` that come from memory, cut as a test likes. */
import type { TextInput } from "../../src/sources/text-input.ts";

export function textInput(name: string, text: string, chunkLength = Number.POSITIVE_INFINITY): TextInput {
  const chunks = cut(text, chunkLength);
  return {
    name,
    head: async () => ({ sample: chunks[0] ?? "", isWhole: true, text: () => chunks }),
    chunks: async function* () {
      yield* chunks;
    },
  };
}

function cut(text: string, length: number): readonly string[] {
  if (length >= text.length) return [text];
  return Array.from({ length: Math.ceil(text.length / length) }, (_, at) =>
    text.slice(at * length, (at + 1) * length),
  );
}
