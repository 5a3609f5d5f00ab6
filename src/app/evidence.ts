/** What names on the command line of `nfpath explain` stand for: texts, and collections of the script's. */
import { ok, type Result, refused } from "../core/base/result.ts";
import { type CaptureInput, openCollection } from "../sources/collection.ts";
import type { TextInput } from "../sources/text-input.ts";
import { openInputs } from "./explain.ts";
import { type Refusal, refusal } from "./refusal.ts";

export interface Evidence {
  readonly inputs: readonly TextInput[];
  /** Of collections: what is known to be rules. */
  readonly ruleInputs: readonly TextInput[];
  readonly captures: readonly CaptureInput[];
  /** Of collections: what the host was like. */
  readonly factInputs: readonly TextInput[];
  /** Of collections: what the script noticed. Text from a host. */
  readonly notes: readonly string[];
}

/** Opens each name once, `-` being standard input; a collection stands for the files in it. */
export function openEvidence(names: readonly string[]): Result<Evidence, Refusal> {
  const inputs: TextInput[] = [];
  const ruleInputs: TextInput[] = [];
  const captures: CaptureInput[] = [];
  const factInputs: TextInput[] = [];
  const notes: string[] = [];
  for (const name of new Set(names)) {
    const collection = name === "-" ? null : openCollection(name);
    if (collection === null) {
      const opened = openInputs([name]);
      if (!opened.ok) return opened;
      inputs.push(...opened.value);
    } else if (!collection.ok) {
      return refused(refusal(2, `${name}: ${collection.error.detail}`, collection.error.hint));
    } else {
      const { value } = collection;
      inputs.push(...value.traces);
      ruleInputs.push(...value.rules);
      captures.push(...value.captures);
      factInputs.push(...value.facts);
      notes.push(...value.notes.map((note) => `${name}: ${note}`));
      if (value.traces.length + value.captures.length === 0)
        notes.push(`${name}: no packet of its filter was logged while its script ran`);
    }
  }
  return ok({ inputs, ruleInputs, captures, factInputs, notes });
}
