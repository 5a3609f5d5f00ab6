import { describe, expect, test } from "vitest";
import { decode, only } from "./decoding.ts";

const RECORD =
  "TRACE: raw:PREROUTING:policy:2 IN=eth0 OUT= MAC= SRC=192.0.2.9 DST=198.51.100.7 LEN=60 TOS=0x00 PREC=0x00 TTL=57 ID=7 PROTO=UDP SPT=9 DPT=53 LEN=40 ";

describe("a report of loss", () => {
  test.each([
    ["[ 5.5] net_ratelimit: 12 callbacks suppressed", "rate-limited", 12],
    ["[ 5.5] printk: 7 messages suppressed.", "rate-limited", 7],
    ["[ 5.5] nf_log: please increase S_SIZE", "truncated", null],
    ["[ 5.5] ** 37 printk messages dropped **", "truncated", 37],
    ["Mar 02 13:56:16 host systemd-journald[234]: Suppressed 123 messages from kernel", "rate-limited", 123],
    ["Mar 02 13:56:16 host systemd-journald[234]: Missed 9 kernel messages", "lost-by-kernel", 9],
    [
      "Mar 02 13:56:16 host rsyslogd: imuxsock lost 51 messages from pid 7 due to rate-limiting",
      "rate-limited",
      51,
    ],
    [
      "Mar 02 13:56:16 host rsyslogd: imuxsock[pid 7]: begin to drop messages due to rate-limiting",
      "rate-limited",
      null,
    ],
    [
      "Mar 02 13:56:16 host rsyslogd: imjournal: 1234 messages lost due to rate-limiting (20000 allowed within 600 seconds)",
      "rate-limited",
      1234,
    ],
    ["# ERROR: We lost some netlink events!", "lost-by-kernel", null],
    ["cannot receive from nfnetlink socket: No buffer space available", "lost-by-kernel", null],
    ["xtables-monitor v1.8.9 (nf_tables): Parsing nftables rule failed", "truncated", null],
  ])("%s", (text, gap, count) => {
    const event = only("gap", text);
    expect(event).toMatchObject({ gap, count, origin: { line: 1, raw: text } });
    expect(event.remedy.length).toBeGreaterThan(20);
  });

  test("has the line's time", () => {
    expect(only("gap", "[ 5.500000] net_ratelimit: 12 callbacks suppressed").time).toMatchObject({
      seconds: 5,
      nanos: 500_000_000,
    });
  });

  test.each([
    ["usb 1-1: 5 callbacks suppressed"],
    ["audit: dropped 3 packages"],
    ["the firewall dropped the packet"],
    ["-A INPUT -m comment --comment lost -j DROP"],
  ])("is not seen in %s", (text) => {
    expect(decode(text)).toEqual([]);
  });

  test("comes between the records it stands between", () => {
    const events = decode(`${RECORD}\n[ 1.0] net_ratelimit: 2 callbacks suppressed\n${RECORD}\n`);
    expect(events.map((event) => event.kind)).toEqual(["step", "gap", "step"]);
  });

  test("behind a packet on which nft died", () => {
    const events = decode(
      `trace id f1b15af3 netdev nd ing packet: iif "west0" nft: payload.c:117: payload_expr_pctx_update: Assertion \`base->length > 0' failed.\n`,
    );
    expect(events).toMatchObject([
      { kind: "sighting", sighting: { in: "west0" } },
      { kind: "gap", gap: "truncated" },
    ]);
  });
});

describe("record numbers of /dev/kmsg", () => {
  test("that jump tell how many are missing", () => {
    const events = decode(
      `4,100,5000000,-;${RECORD}\n4,101,5000010,-;${RECORD}\n4,105,5000020,-;${RECORD}\n`,
    );
    expect(events.map((event) => event.kind)).toEqual(["step", "step", "gap", "step"]);
    expect(events[2]).toMatchObject({ gap: "lost-by-kernel", count: 3, origin: { line: 3 } });
  });

  test("count on lines of any kind, and continuation lines have none", () => {
    const events = decode(
      `4,100,5000000,-;${RECORD}\n6,101,5000010,-;eth0: link up\n SUBSYSTEM=net\n DEVICE=n2\n4,102,5000020,-;${RECORD}\n`,
    );
    expect(events.map((event) => event.kind)).toEqual(["step", "step"]);
  });

  test("that begin again are a reboot", () => {
    const events = decode(`4,100,5000000,-;${RECORD}\n4,7,10,-;${RECORD}\n`);
    expect(events.map((event) => event.kind)).toEqual(["step", "step"]);
  });
});
