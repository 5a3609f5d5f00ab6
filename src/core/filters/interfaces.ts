/** Reads `on eth0`. */
import { ok, type Result } from "../base/result.ts";
import { type Cursor, problem } from "./cursor.ts";
import type { Filter, FilterProblem } from "./filter.ts";
import { junctionOf } from "./vocabulary.ts";

/**
 * Which interface names a filter can hold.
 *
 * The kernel takes almost any bytes (`dev_valid_name` in `net/core/dev.c`: fewer than 16, no slash, colon or space). A
 * name in a filter also has to survive our own signs and nft's quoted strings, where `*` is a wildcard: so letters,
 * digits and `_ . - @`, which every name in practice is made of.
 */
export function isInterfaceName(name: string): boolean {
  if (!/^[A-Za-z0-9_.@-]{1,15}$/.test(name) || name === "." || name === "..") return false;
  return name !== "and" && name !== "or" && name !== "not";
}

/** Takes `on` or `ifname`, with the name behind it. */
export function takeInterface(cursor: Cursor): Result<Filter, FilterProblem> {
  const word = cursor.text();
  cursor.skip();
  const token = cursor.peek();
  if (token === null || token.kind === "sign" || junctionOf(token.text) !== null) {
    return problem(cursor.at, `\`${word}\` needs the name of an interface`, "as in `on eth0`");
  }
  if (!isInterfaceName(token.text)) {
    const hint = token.text.includes("*")
      ? "name one interface: `on eth0 or on eth1`"
      : "as `ip link` shows it: `on eth0`";
    return problem(token.at, `${token.text} is no name of an interface`, hint);
  }
  cursor.skip();
  return ok({ kind: "interface", name: token.text });
}
