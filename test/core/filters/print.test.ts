import { describe, expect, it } from "vitest";
import type { Filter } from "../../../src/core/filters/filter.ts";
import { printFilter, printForTcpdump } from "../../../src/core/filters/print.ts";

const udp: Filter = { kind: "protocol", number: 17, family: null };
const on: Filter = { kind: "interface", name: "eth0" };

describe("printForTcpdump", () => {
  it("is empty for every packet", () => {
    expect(printForTcpdump(null)).toEqual({ ok: true, value: "" });
  });

  it("is the same as our own text, apart from interfaces", () => {
    expect(printForTcpdump({ kind: "not", operand: udp })).toEqual({ ok: true, value: "not udp" });
  });

  it("refuses an interface wherever it stands, and says how to capture there", () => {
    const filters: Filter[] = [
      on,
      { kind: "not", operand: on },
      { kind: "and", left: udp, right: on },
      { kind: "or", left: { kind: "and", left: on, right: udp }, right: udp },
    ];
    for (const filter of filters) {
      const result = printForTcpdump(filter);
      expect(result).toMatchObject({
        ok: false,
        error: { hint: expect.stringContaining("tcpdump -i eth0") },
      });
    }
  });
});

describe("printFilter", () => {
  it("puts parentheses where equal precedence would group otherwise, or mislead", () => {
    const and: Filter = { kind: "and", left: udp, right: on };
    expect(printFilter({ kind: "or", left: and, right: udp })).toBe("(udp and on eth0) or udp");
    expect(printFilter({ kind: "or", left: udp, right: and })).toBe("udp or (udp and on eth0)");
    expect(printFilter({ kind: "and", left: and, right: udp })).toBe("udp and on eth0 and udp");
    expect(printFilter({ kind: "and", left: udp, right: and })).toBe("udp and (udp and on eth0)");
    expect(printFilter({ kind: "not", operand: and })).toBe("not (udp and on eth0)");
    expect(printFilter({ kind: "not", operand: { kind: "not", operand: udp } })).toBe("not not udp");
  });

  it("names the six old TCP flags, and writes newer ones as a number", () => {
    const flags = (mask: number, value: number): string =>
      printFilter({ kind: "tcp-flags", mask, operator: "=", value });
    expect(flags(0x12, 2)).toBe("tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn");
    expect(flags(0x42, 0)).toBe("tcp[tcpflags] & 0x42 = 0");
    expect(flags(0xff, 0x3f)).toBe("tcp[tcpflags] = (tcp-fin|tcp-syn|tcp-rst|tcp-push|tcp-ack|tcp-urg)");
  });
});
