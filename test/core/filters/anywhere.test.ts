import { describe, expect, test } from "vitest";
import { anywhereOnItsWay } from "../../../src/core/filters/anywhere.ts";
import { parseFilter } from "../../../src/core/filters/parse.ts";
import { printFilter } from "../../../src/core/filters/print.ts";

function widened(text: string): string {
  const filter = parseFilter(text);
  if (!filter.ok) throw new Error(filter.error.message);
  const wide = anywhereOnItsWay(filter.value);
  return wide === null ? "" : printFilter(wide);
}

describe("a filter for wherever its packets may be on their way", () => {
  test.each([
    ["udp", "udp"],
    ["udp and port 53 and host 10.0.0.1", "udp and ip"],
    ["tcp dst port 80", "tcp"],
    ["port 53", ""],
    ["udp or host 10.0.0.1", "udp or ip"],
    ["udp or port 53", ""],
    ["udp and len > 1500", "udp"],
    ["not udp", "not udp"],
    ["udp and not host 10.0.0.1", "udp"],
    ["not (udp and host 10.0.0.1)", ""],
    ["icmp[icmptype] = icmp-echo", "icmp"],
    ["tcp[tcpflags] & tcp-syn != 0", "ip proto 6"],
    ["on eth0", ""],
  ])("%s: %s", (text, wide) => {
    expect(widened(text)).toBe(wide);
  });
});
