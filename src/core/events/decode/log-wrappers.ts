/**
 * Log lines that travel inside JSON: `journalctl -o json`, Docker's json-file driver, and shippers that do likewise.
 */
import type { Time } from "../../base/time.ts";
import { secondsOfCivil } from "./calendar.ts";

export interface Unwrapped {
  readonly message: string;
  /** The wrapper's own time, microseconds since 1970 UTC; null where it has none. */
  readonly micros: number | null;
  /** The kernel's stamp, microseconds since boot; null where the wrapper does not keep it. */
  readonly bootMicros: number | null;
  readonly host: string;
}

const MESSAGE_KEYS = ["MESSAGE", "log", "message", "msg", "line"] as const;

/** The message of a JSON log line; null for a line that is none. */
export function unwrapJson(text: string): Unwrapped | null {
  const record = parseObject(text);
  if (record === null) return null;
  for (const key of MESSAGE_KEYS) {
    const message = textOf(record[key]);
    if (message === null) continue;
    return {
      message,
      micros: numberOf(record.__REALTIME_TIMESTAMP) ?? isoMicros(record.time ?? record["@timestamp"]),
      bootMicros: numberOf(record._SOURCE_MONOTONIC_TIMESTAMP),
      host: textOf(record._HOSTNAME) ?? "",
    };
  }
  return null;
}

/** Microseconds as a time. */
export function timeOfMicros(micros: number): Time {
  const seconds = Math.floor(micros / 1e6);
  return { clock: "kernel-log", epoch: "utc", seconds, nanos: (micros - seconds * 1e6) * 1e3 };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** journald writes a message that is no clean text as an array of bytes. */
function textOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (!Array.isArray(value) || value.length === 0 || value.length > 65_536) return null;
  if (!value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256)) return null;
  return value.map((byte: number) => String.fromCharCode(byte)).join("");
}

function numberOf(value: unknown): number | null {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : null;
  return typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : null;
}

const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

function isoMicros(value: unknown): number | null {
  const match = typeof value === "string" ? ISO.exec(value) : null;
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, fraction, sign, zoneHours, zoneMinutes] = match;
  const zone = (sign === "-" ? -1 : 1) * (Number(zoneHours ?? 0) * 60 + Number(zoneMinutes ?? 0));
  const seconds = secondsOfCivil(
    Number(year),
    Number(month),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  return (seconds - zone * 60) * 1e6 + Number((fraction ?? "").padEnd(6, "0").slice(0, 6));
}
