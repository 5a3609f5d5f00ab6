/**
 * Records that somebody folded: a mail client at 72 columns, a terminal at 80, an author by hand.
 *
 * A line goes on with the one before when it begins with a record's token, or when the record before is unfinished and
 * the line completes the token it broke in. Breaks between tokens lose the space, breaks within tokens had none.
 */

/** No record fills more lines than this; more is no record. */
export const MOST_FOLDS = 24;

/** The kernel's buffer ends a record at 1 KiB; quoting and indentation make it longer. */
const LONGEST = 4096;

const DECORATION = /^[\s>|#*]*/;

const FIELD =
  /^(?:(?:OUT|PHYSIN|PHYSOUT|MAC|MACSRC|MACDST|MACPROTO|VPROTO|VID|TUNNEL|SRC|DST|LEN|TOS|PREC|TTL|ID|TC|HOPLIMIT|FLOWLBL|PROTO|SPT|DPT|SPI|SEQ|ACK|WINDOW|RES|URGP|TYPE|CODE|GATEWAY|PARAMETER|POINTER|MTU|UID|GID|MARK|SPORT|DPORT)=|FRAG:|ID:|(?:CE|DF|MF|AE|CWR|ECE|URG|ACK|PSH|RST|SYN|FIN|TRUNCATED|INCOMPLETE)(?=\s|$)|OPT \(|\([0-9A-F]{2,}|\[SRC=|[\])](?=\s|$))/;

/** The rest of a token that was broken, then a token or nothing: `370 LEN=1491`, `T=80 SEQ=1`, `:5b:5d`. */
const BROKEN = /^([^\s[\]]{1,64})(?:\s+(.*)|)$/s;

/** What can be left of a value when nothing follows it: digits, an address, options. */
const VALUE_END = /^(?:x?[0-9A-Fa-f.:]+\)?|\)|[A-Z]{0,8}=\S*)$/;

/** Whether a line begins in the middle of a record. */
export function beginsWithField(text: string): boolean {
  return FIELD.test(text.replace(DECORATION, ""));
}

/** How far the record in a held line got. */
export interface HeldRecord {
  /** It could end there. */
  readonly isFinished: boolean;
  /** It was put together from several lines already. */
  readonly isFolded: boolean;
}

/** The two lines as one; null where `next`, in which no record begins, does not go on with `held`. */
export function unfold(held: string, next: string, record: HeldRecord): string | null {
  const rest = next.replace(DECORATION, "");
  if (rest === "" || held.length + rest.length > LONGEST) return null;
  const isBetween = /\s$/.test(held) || /^\s/.test(next);
  const word = isBetween ? null : brokenWord(held);
  if (word !== null && FIELD.test(word + rest)) return held + rest;
  if (word === null && FIELD.test(rest))
    return /[[(]$/.test(held) ? held + rest : `${held.trimEnd()} ${rest}`;
  if (isBetween) return null;
  const broken = BROKEN.exec(rest);
  if (broken === null) return null;
  const [, first, behind = ""] = broken as unknown as [string, string, string | undefined];
  const isLast = behind.trim() === "";
  const isNumber = /^x?[0-9a-f]{1,9}$/.test(first);
  // The last number of a finished record may be broken too: `LEN=14` and `91`. A number that stands alone may also be
  // an author's numbering, unless the record was seen to be folded.
  if (record.isFinished && !/=(?:0x)?$/.test(held) && !(isNumber && (!isLast || record.isFolded)))
    return null;
  return (isLast ? VALUE_END : FIELD).test(isLast ? first : behind) ? held + rest : null;
}

/** `PHYS` in front of `IN=…`, `D` in front of `F PROTO=…`: the last word where it is none of a record; null otherwise. */
function brokenWord(held: string): string | null {
  const word = /(?:^|\s)([A-Z]+)$/.exec(held)?.[1];
  return word === undefined || FIELD.test(word) ? null : word;
}

/** The rest of a head that was broken, up to the fields: `YFY:rule:2 IN=eth0`, `1 IN=eth0` of `rule:31`. */
const HEAD_REST =
  /^(?:[^\s=]{1,40}:(?:rule|return|policy):\d+|[^\s=]{0,12}:\d+|\d{1,4}|[a-z]{1,7}:\d+)(?:\s|$)/;

/**
 * A TRACE record's head and the line with its fields as one; null where they do not belong together. `isWhole`: the head
 * could be read, and its number may still go on.
 */
export function unfoldHead(held: string, next: string, isWhole: boolean): string | null {
  const rest = next.replace(DECORATION, "");
  if (held.length + rest.length > LONGEST) return null;
  if (isWhole && rest.startsWith("IN=")) return `${held.trimEnd()} ${rest}`;
  if (/\s$/.test(held) || /^\s/.test(next)) return null;
  return (isWhole ? /^\d{1,4}\s+IN=/ : HEAD_REST).test(rest) ? held + rest : null;
}
