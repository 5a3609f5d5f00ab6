import { describe, expect, it } from "vitest";
import { quoteWord, restoreWords, shellCommands } from "../../../src/core/rulesets/words.ts";

describe("restoreWords", () => {
  const values = (text: string) => restoreWords(text).map((word) => word.value);

  it("undoes the quoting of iptables-save", () => {
    expect(values('-m comment --comment "say \\"no\\" to C:\\\\tmp"')).toEqual([
      "-m",
      "comment",
      "--comment",
      'say "no" to C:\\tmp',
    ]);
  });

  it("leaves backslashes and single quotes outside of quotes alone", () => {
    expect(values("--string a\\b --other it's")).toEqual(["--string", "a\\b", "--other", "it's"]);
  });

  it("runs an open quote to the end of the line", () => {
    expect(values('--comment "never closed -j DROP')).toEqual(["--comment", "never closed -j DROP"]);
  });

  it("marks quoted words, which are never options", () => {
    expect(restoreWords('"-j" -j').map((word) => word.quoted)).toEqual([true, false]);
  });
});

describe("shellCommands", () => {
  const commands = (text: string) => shellCommands(text).map((words) => words.map((word) => word.value));

  it("ends a command at operators and comments", () => {
    expect(commands("a -b; c && d | e > f # g")).toEqual([["a", "-b"], ["c"], ["d"], ["e"], ["f"]]);
  });

  it("reads both kinds of quotes", () => {
    expect(commands(`a 'b "c"' "d; 'e'"`)).toEqual([["a", 'b "c"', "d; 'e'"]]);
  });

  it("takes an apostrophe in prose for a letter", () => {
    expect(commands("it doesn't work")).toEqual([["it", "doesn't", "work"]]);
  });

  it("keeps variables and command substitutions as they are", () => {
    const braced = "$" + "{B}";
    expect(commands(`a ${braced} $(c d) $E`)).toEqual([["a", braced, "$(c d)", "$E"]]);
  });
});

describe("quoteWord", () => {
  it("is undone by restoreWords", () => {
    for (const value of ["plain", "two words", 'a"b', "it's", "back\\slash", ""]) {
      expect(restoreWords(quoteWord(value)).map((word) => word.value)).toEqual([value]);
    }
  });
});
