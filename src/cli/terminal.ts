/** What the terminal can show. */
import { ASCII, type Glyphs, UNICODE } from "../core/views/tree.ts";

/** Columns to lay out for; a pipe gets lines as long as they are, so that `grep` sees them whole. */
export function columnsOf(stream: { readonly isTTY?: boolean; readonly columns?: number }): number {
  if (stream.isTTY !== true) return Number.POSITIVE_INFINITY;
  return Math.max(40, stream.columns ?? 80);
}

/** ASCII only where the locale or the console says so: a missing locale is common on servers reached over UTF-8 terminals. */
export function glyphsFor(env: NodeJS.ProcessEnv): Glyphs {
  if (env.TERM === "linux" || env.TERM === "vt100") return ASCII;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || "";
  const named = /\.(.+?)(@|$)/.exec(locale)?.[1];
  return named === undefined || /^utf-?8$/i.test(named) ? UNICODE : ASCII;
}
