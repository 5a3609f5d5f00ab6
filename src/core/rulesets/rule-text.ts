/**
 * When two texts are the same rule.
 *
 * A trace prints a rule with the counters of that moment, a listing with those of another; `nft` shortens the same
 * thing differently from version to version. What cannot differ between two readings of one rule is kept.
 */
import { collapseBlanks } from "./nft-words.ts";

/** An nft rule without counters, quota use, comment and handle. */
export function nftTextKey(text: string): string {
  return collapseBlanks(
    text
      .replace(/\s*#\s*handle \d+\s*$/, "")
      .replace(/\bcounter packets \d+ bytes \d+/g, "counter")
      .replace(/ used \d+ \w+/g, "")
      .replace(/ last used \S+/g, " last")
      .replace(/ ?comment "[^"]*"/g, ""),
  );
}

/** An iptables line from `-A` on, as `xtables-monitor` and `iptables-save` both print it. */
export function iptablesTextKey(text: string): string {
  const at = text.search(/(^|\s)-A\s/);
  return collapseBlanks((at === -1 ? text : text.slice(at)).replace(/ -c \d+ \d+/g, ""));
}
