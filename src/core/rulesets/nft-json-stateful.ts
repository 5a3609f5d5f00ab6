/**
 * Counters, limits, quotas and connection counts: the parts of nft's JSON that stand both in rules and in elements of sets.
 */
import type { Json, Writer } from "./json-value.ts";
import { isExact, isObject, scalar, text } from "./json-value.ts";

export const STATEFUL: Readonly<Record<string, Writer>> = {
  counter: (value) => {
    // Beyond 2^53 the digits were lost on the way.
    if (!isObject(value) || !isExact(value.packets) || !isExact(value.bytes)) return "counter";
    return `counter packets ${scalar(value.packets)} bytes ${scalar(value.bytes)}`;
  },
  limit: (value) => limitText(value),
  quota: (value) => quotaText(value),
  "ct count": (value) => {
    if (!isObject(value)) return null;
    return `ct count ${value.inv === true ? "over " : ""}${scalar(value.val)}`;
  },
};

function limitText(value: Json): string | null {
  if (!isObject(value)) return null;
  const over = value.inv === true ? "over " : "";
  const unit = typeof value.rate_unit === "string" ? ` ${value.rate_unit}` : "";
  const burst =
    value.burst === undefined
      ? ""
      : ` burst ${scalar(value.burst)} ${text(value.burst_unit) ?? (unit === "" ? "packets" : "bytes")}`;
  return `limit rate ${over}${scalar(value.rate)}${unit}/${scalar(value.per)}${burst}`;
}

function quotaText(value: Json): string | null {
  if (!isObject(value)) return null;
  return `quota ${value.inv === true ? "over " : ""}${scalar(value.val)} ${text(value.val_unit) ?? "bytes"}`;
}
