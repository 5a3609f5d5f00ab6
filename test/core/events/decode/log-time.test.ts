import { describe, expect, test } from "vitest";
import { decode, only, packetOf, times } from "./decoding.ts";

const RECORD =
  "TRACE: raw:PREROUTING:policy:2 IN=eth0 OUT= MAC= SRC=192.0.2.9 DST=198.51.100.7 LEN=60 TOS=0x00 PREC=0x00 TTL=57 ID=7 PROTO=UDP SPT=9 DPT=53 LEN=40 ";

function timeOf(prefix: string, context = {}): string | null {
  const events = decode(`${prefix}${RECORD}`, context);
  expect(events).toHaveLength(1);
  expect(packetOf(events[0] as never).dport).toBe(53);
  return times(events)[0] as string | null;
}

describe("the prefix of a line", () => {
  test.each([
    ["dmesg", "[ 1234.567890] ", "+1234.567890000"],
    ["dmesg, long uptime", "[5121056.357126] ", "+5121056.357126000"],
    ["dmesg -r", "<4>[30530.374094] ", "+30530.374094000"],
    ["dmesg -x", "kern  :warn  : [ 1890.226371] ", "+1890.226371000"],
    ["dmesg -d", "[ 1234.567890 <    0.000005>] ", "+1234.567890000"],
    ["dmesg -T", "[Thu Apr 23 21:55:11 2020] ", "2020-04-23T21:55:11.000000000"],
    ["dmesg --time-format iso", "2020-04-23T21:55:11,123456+02:00 ", "2020-04-23T19:55:11.123456000Z"],
    ["printk with the caller", "[    1.234567][  T123] ", "+1.234567000"],
    ["/dev/kmsg", "4,1234,5678901,-;", "+5.678901000"],
    ["/dev/kmsg with the caller", "4,1234,5678901,-,caller=T7;", "+5.678901000"],
    ["RFC 3164", "Jul 20 11:28:40 host kernel: ", "--07-20T11:28:40.000000000"],
    ["RFC 3164, day padded", "May  8 01:02:03 host kernel: ", "--05-08T01:02:03.000000000"],
    ["RFC 3164, both clocks", "Jul 20 11:28:40 host kernel: [ 7606.531051] ", "--07-20T11:28:40.531051000"],
    [
      "RFC 3164, host in brackets",
      "Jul 20 11:28:40 [localhost] kernel: [ 7606.531051] ",
      "--07-20T11:28:40.531051000",
    ],
    [
      "RFC 3164, facility",
      "Jan  1 00:00:07 host kern.warn kernel: [    7.125000] ",
      "--01-01T00:00:07.125000000",
    ],
    ["RFC 3164, no host", "Jul 20 11:28:40 kernel: ", "--07-20T11:28:40.000000000"],
    [
      "RFC 5424",
      "<4>1 2023-03-26T12:48:48.132223+00:00 host kernel - - - ",
      "2023-03-26T12:48:48.132223000Z",
    ],
    [
      "rsyslog ISO, both clocks",
      "2023-03-26T12:48:48.132223+02:00 host kernel: [ 1035.182877] ",
      "2023-03-26T10:48:48.182877000Z",
    ],
    [
      "OpenWrt's logread",
      "Thu Apr 23 21:55:11 2020 kern.warn kernel: [  249.122255] ",
      "2020-04-23T21:55:11.122255000",
    ],
    ["journalctl -o short-precise", "Mar 02 13:56:16.123456 host kernel: ", "--03-02T13:56:16.123456000"],
    ["journalctl -o short-iso", "2023-03-02T13:56:16+0800 host kernel: ", "2023-03-02T05:56:16.000000000Z"],
    [
      "journalctl -o short-full",
      "Thu 2023-03-02 13:56:16 CST host kernel: ",
      "2023-03-02T13:56:16.000000000",
    ],
    ["journalctl -o short-monotonic", "[ 1234.567890] host kernel: ", "+1234.567890000"],
    ["journalctl -o short-unix", "1677736576.123456 host kernel: ", "2023-03-02T05:56:16.123456000Z"],
    [
      "grep -H",
      "/var/log/kern.log:Jul 20 11:28:40 host kernel: [ 7606.531051] ",
      "--07-20T11:28:40.531051000",
    ],
    ["grep -Hn", "kern.log:118:[ 1234.567890] ", "+1234.567890000"],
    ["a container's log", "2023-03-02T05:56:17.5Z stdout F [ 1234.567890] ", "+1234.567890000"],
    ["compose", "kernlog_1  | [ 1234.567890] ", "+1234.567890000"],
    ["a mail", "> > \t[ 1234.567890] ", "+1234.567890000"],
    ["a comment", "# Aug 27 15:44:28 host kernel: ", "--08-27T15:44:28.000000000"],
    ["a prompt", "root@OpenWrt:/# [  249.122255] ", "+249.122255000"],
    ["none", "", null],
    ["another language", "фев 02 21:21:16 host kernel: ", null],
    ["a date that is none", "Feb 31 99:21:16 host kernel: ", null],
  ])("%s", (_what, prefix, expected) => {
    expect(timeOf(prefix)).toBe(expected);
  });

  test("a year that the caller knows makes the time local", () => {
    expect(timeOf("Jul 20 11:28:40 host kernel: ", { year: 2022 })).toBe("2022-07-20T11:28:40.000000000");
  });
});

function lines(...prefixes: string[]): (string | null)[] {
  return times(decode(prefixes.map((prefix) => `${prefix}${RECORD}\n`).join("")));
}

describe("two clocks on a line", () => {
  test("the kernel's leads: a daemon that is late does not make time jump", () => {
    expect(
      lines(
        "Aug 24 11:14:47 host kernel: [594576.178700] ",
        "Aug 24 11:14:48 host kernel: [594576.178732] ",
        "Aug 24 11:14:48 host kernel: [594577.999999] ",
        "Aug 24 11:15:11 host kernel: [594600.593744] ",
      ),
    ).toEqual([
      "--08-24T11:14:47.178700000",
      "--08-24T11:14:47.178732000",
      "--08-24T11:14:48.999999000",
      "--08-24T11:15:11.593744000",
    ]);
  });

  test("a reboot ties them together anew", () => {
    expect(
      lines("Aug 24 11:14:47 host kernel: [594576.178700] ", "Aug 24 11:20:00 host kernel: [    9.500000] "),
    ).toEqual(["--08-24T11:14:47.178700000", "--08-24T11:20:00.500000000"]);
  });

  test("each host has its own", () => {
    expect(
      lines(
        "Aug 24 11:14:47 one kernel: [  100.900000] ",
        "Aug 24 11:14:47 two kernel: [ 5000.100000] ",
        "Aug 24 11:14:48 one kernel: [  100.900001] ",
        "Aug 24 11:14:48 two kernel: [ 5000.100001] ",
      ),
    ).toEqual([
      "--08-24T11:14:47.900000000",
      "--08-24T11:14:47.100000000",
      "--08-24T11:14:47.900001000",
      "--08-24T11:14:47.100001000",
    ]);
  });

  test("a log without a year that goes past New Year goes on", () => {
    const events = decode(
      [`Dec 31 23:59:59 host kernel: ${RECORD}`, `Jan  1 00:00:01 host kernel: ${RECORD}`].join("\n"),
    );
    const [before, after] = events.map((event) => event.time?.seconds ?? Number.NaN);
    expect((after as number) - (before as number)).toBe(2);
  });
});

describe("dmesg -H", () => {
  test("every line's delta counts, also that of lines which are no records", () => {
    expect(
      times(
        decode(
          [
            "[Nov22 13:43] eth0: link up",
            `[  +0.000006] ${RECORD}`,
            "[  +1.500000] something else",
            `[  +0.000001] ${RECORD}`,
            "[Nov22 13:44] next minute",
            `[  +0.250000] ${RECORD}`,
          ].join("\n"),
        ),
      ),
    ).toEqual(["--11-22T13:43:00.000006000", "--11-22T13:43:01.500007000", "--11-22T13:44:00.250000000"]);
  });

  test("without the line that begins the minute there is no time", () => {
    expect(lines("[  +0.000006] ")).toEqual([null]);
  });
});

describe("the journal", () => {
  test("its first line gives the year, and the year before for months behind its end", () => {
    const events = decode(
      [
        "-- Logs begin at Tue 2022-12-28 05:48:43 CST, end at Thu 2023-03-02 13:56:16 CST. --",
        `Dec 30 13:56:16 host kernel: ${RECORD}`,
        `Mar 02 13:56:16 host kernel: ${RECORD}`,
      ].join("\n"),
    );
    expect(times(events)).toEqual(["2022-12-30T13:56:16.000000000", "2023-03-02T13:56:16.000000000"]);
  });

  test("as JSON: the kernel's stamp leads here too", () => {
    const entry = (realtime: number, monotonic: number) =>
      JSON.stringify({
        __REALTIME_TIMESTAMP: String(realtime),
        _SOURCE_MONOTONIC_TIMESTAMP: String(monotonic),
        _HOSTNAME: "host",
        MESSAGE: RECORD,
      });
    const events = decode(`${entry(1677736576123456, 5_000_000)}\n${entry(1677736576999999, 5_000_007)}\n`);
    expect(times(events)).toEqual(["2023-03-02T05:56:16.123456000Z", "2023-03-02T05:56:16.123463000Z"]);
    expect(packetOf(events[0] as never).dport).toBe(53);
    expect(events[0]?.origin.raw).toBe(entry(1677736576123456, 5_000_000));
  });

  test("as JSON: a message of bytes, and Docker's wrapper round a stamped line", () => {
    const bytes = [...RECORD].map((character) => character.charCodeAt(0));
    expect(packetOf(only("step", JSON.stringify({ MESSAGE: bytes }))).src).toBe("192.0.2.9");
    const docker = JSON.stringify({
      log: `[ 12.5] ${RECORD}\n`,
      stream: "stdout",
      time: "2023-03-02T05:56:16.5Z",
    });
    expect(times(decode(docker))).toEqual(["+12.500000000"]);
    const bare = JSON.stringify({ log: `${RECORD}\n`, time: "2023-03-02T05:56:16.5+01:00" });
    expect(times(decode(bare))).toEqual(["2023-03-02T04:56:16.500000000Z"]);
  });

  test("what only looks like JSON is read as it stands", () => {
    expect(packetOf(only("step", `{ broken: ${RECORD}`)).dport).toBe(53);
  });
});
