/** What inputs tell about hosts: snapshots, and listings of `ip`, `sysctl` and `ss`, which together are one host. */
import { ok, type Result, refused } from "../core/base/result.ts";
import { HostTextReader } from "../core/hosts/decode/host-text-reader.ts";
import type { HostSnapshot } from "../core/hosts/host.ts";
import { HostBook } from "../core/hosts/host-book.ts";
import { readSnapshot } from "../core/hosts/read-snapshot.ts";
import type { Ruleset } from "../core/rulesets/ruleset.ts";
import { readRulesets } from "../core/rulesets/ruleset-reader.ts";
import { type Refusal, refusal } from "./refusal.ts";

export class HostEvidence {
  readonly #snapshots: HostSnapshot[] = [];
  readonly #text = new HostTextReader();

  /** Takes the whole text of a snapshot's file; gives the rules in it. */
  readSnapshot(input: string, text: string): Result<readonly Ruleset[], Refusal> {
    const read = readSnapshot(text);
    if (!read.ok) return refused(refusal(2, `${input}: ${read.error.message}`, read.error.hint));
    const { hosts } = read.value;
    this.#snapshots.push(...hosts);
    // Logs do not name the namespace they are of: where there is one host only, it is that one.
    const netnsOf = (host: HostSnapshot) => (hosts.length === 1 ? null : host.netns);
    return ok(
      hosts.flatMap((host) =>
        (host.rulesets ?? [])
          // No rules: conditions ask them by the host.
          .filter(({ command }) => !command.startsWith("ipset "))
          .flatMap(
            ({ command, text: listing }) =>
              readRulesets(listing, { input: `${input} (${command})`, netns: netnsOf(host), force: true })
                .rulesets,
          ),
      ),
    );
  }

  /** Takes a line of text. True: it tells about a host. */
  readLine(line: string): boolean {
    return this.#text.read(line);
  }

  /** Takes a text that is one JSON document. True: it is one of `ip -j`, `bridge -j` or `nstat --json`. */
  readDocument(text: string): boolean {
    return this.#text.readDocument(text);
  }

  /** What follows is of another input. */
  endInput(): void {
    this.#text.endInput();
  }

  book(): HostBook {
    const listed = this.#text.end();
    // Files come in any order: what was taken first is the host as the packets found it.
    const taken = this.#snapshots.toSorted((a, b) => compare(a.takenAt ?? "", b.takenAt ?? ""));
    return new HostBook(listed === null ? taken : [...taken, listed]);
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
