import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { scriptFor } from "../../src/app/trace-script.ts";
import { parseFilter } from "../../src/core/filters/parse.ts";
import { LOGGERS } from "../../src/core/plans/script/loggers.ts";
import { MECHANISMS } from "../../src/core/plans/script/mechanisms.ts";
import { shellComment, shellQuote } from "../../src/core/plans/script/shell-words.ts";
import { findProgram } from "../../src/linux/programs.ts";

function script(filterText: string, rate = 1000): string {
  const filter = parseFilter(filterText);
  if (!filter.ok) throw new Error(filter.error.message);
  const made = scriptFor({ version: "1.2.3", filter: filter.value, filterText, seconds: 30, rate });
  if (!made.ok) throw new Error(made.error.message);
  return made.value;
}

const FILTERS = [
  "",
  "udp port 53",
  "host 2001:db8::1 and tcp dst port 80 or 443",
  "on eth0 and not net 10.0.0.0/8",
  "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn",
  "less 100 or icmp6",
  "outbound",
];

describe("shell words", () => {
  it("are read back by a shell as they were, whatever they hold", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"))), (words) => {
        const quoted = words.map((word) => shellQuote(word)).join(" ");
        const said = execFileSync("sh", ["-c", `for word in ${quoted}; do printf '%s\\0' "$word"; done`]);
        expect(said.toString("utf8").split("\0").slice(0, -1)).toEqual(words);
      }),
      { numRuns: 50 },
    );
  });

  it("of a comment stay on its line", () => {
    expect(shellComment("a\nreboot\r\u2028")).toBe("# a\\nreboot\\r\\u2028");
  });
});

const SHELLS: readonly (readonly [string, readonly string[]])[] = [
  ["dash", ["-n"]],
  ["busybox", ["sh", "-n"]],
  ["shellcheck", ["-s", "sh", "-e", "SC1091"]],
];

describe.each(SHELLS)("the script by %s", (program, args) => {
  const path = findProgram(program);
  test.skipIf(path === null)(
    `is in order${path === null ? ` (skipped: ${program} is not installed)` : ""}`,
    () => {
      const directory = mkdtempSync(join(tmpdir(), "nfpath-script-"));
      try {
        for (const filter of program === "shellcheck" ? FILTERS.slice(2, 4) : FILTERS) {
          const file = join(directory, "script.sh");
          writeFileSync(file, script(filter));
          const run = spawnSync(path ?? "", [...args, file], { encoding: "utf8" });
          expect([filter, run.stdout, run.stderr, run.status]).toEqual([filter, "", "", 0]);
        }
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );
});

describe("the script", () => {
  it("holds the filter in each tongue", () => {
    const text = script("udp dst port 53");
    expect(text).toContain("\n# The packets: udp dst port 53\n");
    expect(text).toContain("\ntcpdump_filter='udp dst port 53'\n");
    expect(text).toContain("add_rule PREROUTING -p 17 '!' -f --dport 53 || return 1");
    expect(text).toContain("'    meta nfproto ipv6 ip6 nexthdr 17 th dport 53 goto chosen'");
    expect(text).toContain("families='4 6'");
  });

  it("says why a tongue cannot say it, and never says something else", () => {
    const text = script("less 100");
    expect(text).toMatch(
      /plain_problem='plain iptables matches cannot say a packet'\\''s length; install tcpdump/,
    );
    expect(text).not.toContain("add_rule PREROUTING -p");
    expect(text).not.toContain("add_rule PREROUTING ||");
    expect(script("on eth0 and ip")).toContain("\ntcpdump_filter=\n");
    expect(script("icmp")).toContain("families=4\n");
  });

  it("keeps to what -m limit takes", () => {
    expect(script("", 50_000)).toContain("rate=50000\nrule_rate=10000\n");
  });

  it.each(["arp"])("is refused for %j, which no IP hook sees", (text) => {
    const filter = parseFilter(text);
    if (!filter.ok) throw new Error(filter.error.message);
    const made = scriptFor({ version: "1", filter: filter.value, filterText: text, seconds: 30, rate: 1 });
    expect(made).toMatchObject({ ok: false, error: { status: 2 } });
  });
});

function shell(lines: string): string {
  return execFileSync("sh", ["-ec", lines], { encoding: "utf8" }).trim();
}

describe("parts of the script", () => {
  it("count dates as the calendar does", () => {
    const seconds = [0, 951_782_399, 951_782_400, 1_709_164_800, 1_735_689_599, 2_147_483_647, 4_107_542_399];
    for (const at of seconds) {
      const expected = new Date(at * 1000).toISOString().slice(0, 19);
      expect(shell(`${MECHANISMS}\nutc ${at}`)).toBe(expected);
    }
  });

  it("find a module in every form and place, and those that are built in", () => {
    const modules = mkdtempSync(join(tmpdir(), "nfpath-modules-"));
    try {
      const files = [
        "kernel/net/ipv4/netfilter/ipt_LOG.ko",
        "kernel/net/ipv4/netfilter/nf_log_ipv4.ko.xz",
        "kernel/net/netfilter/nf_log_syslog.ko.zst",
        "updates/dkms/ip6t_LOG.ko.gz",
      ];
      for (const file of files) {
        mkdirSync(dirname(join(modules, file)), { recursive: true });
        writeFileSync(join(modules, file), "");
        const name = /([^/]+)\.ko/.exec(file)?.[1] ?? "";
        expect(shell(`${LOGGERS}\nmodule_file ${modules} ${name}`)).toBe(join(modules, file));
      }
      expect(shell(`${LOGGERS}\nmodule_file ${modules} nf_log || echo none`)).toBe("none");
      writeFileSync(join(modules, "modules.builtin"), "kernel/net/netfilter/nf_log_syslog.ko\n");
      expect(shell(`${LOGGERS}\nis_built_in ${modules} nf_log_syslog && echo yes`)).toBe("yes");
      expect(shell(`${LOGGERS}\nis_built_in ${modules} nf_log || echo no`)).toBe("no");
    } finally {
      rmSync(modules, { recursive: true });
    }
  });
});
