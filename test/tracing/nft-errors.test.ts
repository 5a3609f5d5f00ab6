import { describe, expect, it } from "vitest";
import { explainNftError } from "../../src/tracing/nft-session.ts";

const COMMAND = "add table inet t { flags owner; }; add rule inet t output udp dport nonsense goto chosen";

function said(message: string, word: string): string {
  const at = COMMAND.indexOf(word);
  return `Error: ${message}\n${COMMAND}\n${" ".repeat(at)}${"^".repeat(word.length)}\nError: No such file or directory\nlist table inet t\n`;
}

describe("what nft says", () => {
  it("about a rule names the word it did not like, and the rule", () => {
    const refusal = explainNftError(
      said("Could not resolve service: Servname not supported", "nonsense"),
      "shop",
    );
    expect(refusal.kind).toBe("program-failed");
    expect(refusal.message).toBe(
      "nft refused the rules that choose the packets in namespace shop: Error: Could not resolve service: " +
        'Servname not supported (at "nonsense" in "add rule inet t output udp dport nonsense goto chosen")',
    );
  });

  it.each([
    ["Error: Could not process rule: Operation not permitted (you must be root)", "not-permitted"],
    ["Unable to initialize Netlink socket: Protocol not supported", "kernel-lacks"],
    [said("unknown table option", "flags owner"), "kernel-lacks"],
    [said("Could not process rule: Operation not supported", "inet"), "kernel-lacks"],
    ["", "program-failed"],
  ])("is sorted by what can be done about it: %j", (text, kind) => {
    expect(explainNftError(text, null)).toMatchObject({ kind, hint: expect.stringMatching(/\w/) });
  });
});
