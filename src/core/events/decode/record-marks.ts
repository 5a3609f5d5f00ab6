/** Where records begin in a line. These run on every line of every log: plain searches, no patterns. */

/** Index of the next `TRACE:` from `from`; −1 where there is none. */
export function nextTrace(text: string, from: number): number {
  for (let at = text.indexOf("TRACE:", from); at !== -1; at = text.indexOf("TRACE:", at + 6)) {
    // `--log-prefix "TRACE: "` is a rule, `BACKTRACE:` another word.
    if (!isWordCharacter(text.charCodeAt(at - 1)) && !isQuoteBehind(text, at + 6)) return at;
  }
  return -1;
}

/**
 * Index of the next `IN=` that begins a packet's record, from `from` and in front of `to` (−1: to the end); −1 where
 * there is none. A log prefix may be glued to it; `PHYSIN=` is not it, and another field must follow.
 */
export function nextLog(text: string, from: number, to: number): number {
  const end = to === -1 ? text.length : to;
  for (let at = text.indexOf("IN=", from); at !== -1 && at < end; at = text.indexOf("IN=", at + 3)) {
    if (text.startsWith("PHYS", at - 4)) continue;
    let next = at + 3;
    while (next < end && text.charCodeAt(next) > 32) next++;
    while (next < end && text.charCodeAt(next) <= 32) next++;
    if (text.startsWith("OUT=", next) || text.startsWith("MAC=", next) || text.startsWith("SRC=", next))
      return at;
    if (text.startsWith("PHYSIN=", next)) return at;
  }
  return -1;
}

/** Underscore, digits, letters; NaN (no character) is none. */
function isWordCharacter(code: number): boolean {
  return (
    (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95
  );
}

function isQuoteBehind(text: string, at: number): boolean {
  const code = text.charCodeAt(text.charCodeAt(at) === 32 ? at + 1 : at);
  return code === 34 || code === 39 || code === 92;
}
