import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { nfpath, root } from "../support/cli.ts";
import { TraceLog } from "../support/trace-log.ts";

const TRACE = join(root, "examples/docker-udp/trace.log");
const RULES = join(root, "examples/docker-udp/iptables-save.txt");

let folder: string;
const file = (name: string, content: string | Buffer) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "nfpath-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const DROPPED = new TraceLog()
  .at("filter:INPUT:rule:1", { id: 1, in: "eth0" })
  .at("filter:INPUT:policy:2", { id: 2, in: "eth0", dport: 99 }).text;
const DROP_RULES =
  "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p udp --dport 53 -j DROP\nCOMMIT\n";

describe("formats", () => {
  test("tree is for people: data on standard output, the summary on standard error", async () => {
    const { status, stdout, stderr } = await nfpath(["explain", TRACE, RULES]);
    expect(status).toBe(0);
    expect(stdout).toContain(
      "DOCKER 31  ! -i docker0 -p udp -m udp --dport 10370 -j DNAT --to-destination 172.18.0.2:10370",
    );
    expect(stdout).not.toContain("\u001b[");
    expect(stderr).toBe("6 journeys: 6 forwarded; 54 steps read\n");
  });

  test("jsonl is a journey a line, by the published schema", async () => {
    const { status, stdout } = await nfpath(["explain", "--format", "jsonl", TRACE, RULES]);
    expect(status).toBe(0);
    const journeys = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as JourneyContract);
    expect(journeys.map(({ schema, id }) => [schema, id])).toEqual(
      ["1", "2", "3", "4", "5", "6"].map((id) => ["nfpath/journey@1", id]),
    );
    expect(Object.keys(journeys[0] ?? {})).toEqual(
      expect.arrayContaining([
        "first",
        "clock",
        "netns",
        "family",
        "packet",
        "steps",
        "outcome",
        "findings",
        "gaps",
        "joinedBy",
      ]),
    );
  });

  test("json is one object with a summary", async () => {
    const { stdout } = await nfpath(["explain", "--format", "json", TRACE, RULES]);
    const explanation = JSON.parse(stdout);
    expect(explanation.schema).toBe("nfpath/explanation@1");
    expect(explanation.journeys).toHaveLength(6);
    expect(explanation.summary).toMatchObject({ shown: { forwarded: 6 }, events: { step: 54, unparsed: 0 } });
  });

  test("json is whole when nothing is shown", async () => {
    const { status, stdout } = await nfpath([
      "explain",
      "--format",
      "json",
      "--only",
      "dropped",
      TRACE,
      RULES,
    ]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).journeys).toEqual([]);
  });

  test("md is Markdown, a section a journey", async () => {
    const { stdout } = await nfpath(["explain", "--format", "md", TRACE, RULES]);
    expect(stdout.match(/^### \d+\. /gm)).toHaveLength(6);
    expect(stdout).toContain("| prerouting | `nat` | `DOCKER` | 31 |");
  });

  test.each([
    [{ FORCE_COLOR: "1" }, true],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, false],
    [{}, false],
  ])("colour with %o: %s", async (env, isColoured) => {
    const { stdout } = await nfpath(["explain", TRACE, RULES], { env });
    expect(stdout.includes("\u001b[")).toBe(isColoured);
  });

  test("a console that has no Unicode gets ASCII", async () => {
    const { stdout } = await nfpath(["explain", TRACE, RULES], { env: { LC_ALL: "de_DE.ISO-8859-1" } });
    expect([...stdout].filter((character) => character > "~")).toEqual([]);
  });
});

describe("choosing", () => {
  test("--only shows one outcome, and counts what it hides", async () => {
    const inputs = [file("drop.log", DROPPED), file("drop.rules", DROP_RULES)];
    const { status, stdout, stderr } = await nfpath(["explain", "--only", "dropped", ...inputs]);
    expect(status).toBe(0);
    expect(stdout).toContain("filter:INPUT rule 1 dropped it");
    expect(stdout).not.toContain(":99");
    expect(stderr).toContain("1 journey: 1 dropped");
    expect(stderr).toContain("not shown, by --only or the filter: 1 journey: 1 delivered");
  });

  test("words that are no files are a filter, which matches before or after NAT", async () => {
    for (const filter of [["host", "172.17.128.213"], ["dst host 172.18.0.2 and udp"]]) {
      const { stdout } = await nfpath(["explain", "--format", "jsonl", TRACE, RULES, ...filter]);
      expect(stdout.trimEnd().split("\n")).toHaveLength(3);
    }
  });

  test("--filter is the same", async () => {
    const { stdout } = await nfpath([
      "explain",
      "--format",
      "jsonl",
      "--filter",
      "port 38495 and src host 172.18.0.2",
      TRACE,
    ]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(3);
  });
});

describe("inputs", () => {
  test("standard input, by its name and without", async () => {
    const input = readFileSync(TRACE, "utf8");
    const named = await nfpath(["explain", "--format", "jsonl", "-", RULES], { input });
    const unnamed = await nfpath(["explain", "--format", "jsonl"], { input });
    expect(named.stdout.trimEnd().split("\n")).toHaveLength(6);
    expect(unnamed.stdout.trimEnd().split("\n")).toHaveLength(6);
  });

  test("--rules forces a file that does not look like rules", async () => {
    const rules = file("odd.txt", "-A INPUT -p udp --dport 53 -j DROP\n");
    const { status, stdout } = await nfpath(["explain", "--rules", rules, file("drop.log", DROPPED)]);
    expect(status).toBe(0);
    expect(stdout).toContain("--dport 53 -j DROP");
  });

  test("--rules that holds no rule says so, whatever else is given", async () => {
    const { status, stderr } = await nfpath(["explain", TRACE, "--rules", file("trace.log", DROPPED)]);
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /trace\.log: given as rules, and none are in it; give the output of iptables-save/,
    );
  });

  test("--year completes the dates of a log that has none", async () => {
    const log = file("syslog", DROPPED.replace(/^\[/gm, "Mar  2 10:00:00 host kernel: ["));
    const { stdout } = await nfpath(["explain", "--format", "jsonl", "--year", "2021", log]);
    expect((JSON.parse(stdout.split("\n")[0] ?? "") as JourneyContract).first).toBe(
      "2021-03-02T10:00:00.000000000",
    );
  });

  test("a line of 10 MB is counted and named, and what is around it is read", async () => {
    const log = file("long.log", `${DROPPED}${"x".repeat(10_000_000)}\n${DROPPED}`);
    const { status, stderr } = await nfpath(["explain", log]);
    expect(status).toBe(0);
    expect(stderr).toContain("4 journeys");
    expect(stderr).toContain("a line of 10000000 characters");
    expect(stderr).toContain("long.log:3:");
  });

  test("a ruleset in JSON is one line, and may be long", async () => {
    const rule = (handle: number, port: number) => ({
      rule: {
        ...{ family: "ip", table: "fw", chain: "in", handle },
        expr: [
          { match: { op: "==", left: { payload: { protocol: "udp", field: "dport" } }, right: port } },
          { drop: null },
        ],
      },
    });
    const chain = {
      family: "ip",
      table: "fw",
      name: "in",
      handle: 1,
      type: "filter",
      hook: "input",
      prio: 0,
      policy: "accept",
    };
    const many = Array.from({ length: 10_000 }, (_, at) => rule(10 + at, 1000 + at));
    const nftables = [{ table: { family: "ip", name: "fw", handle: 1 } }, { chain }, rule(5, 53), ...many];
    const rules = file("rules.json", JSON.stringify({ nftables }));
    const trace = file("nft.txt", "trace id 0000000a ip fw in unknown rule handle 5 (verdict drop)\n");
    const { stdout, stderr } = await nfpath(["explain", trace, rules]);
    expect(stdout).toContain("udp dport 53 drop");
    expect(stderr).toBe("1 journey: 1 dropped; 1 step read\n");
  });

  test("hostile text in a rule's comment and a log prefix cannot reach the terminal", async () => {
    const evil = "\u001b]0;owned\u0007\u001b[2J";
    const rules = DROP_RULES.replace("-j DROP", `-m comment --comment "${evil}" -j DROP`);
    const inputs = [
      file("evil.log", DROPPED.replaceAll("eth0", `e${evil.slice(0, 4)}0`)),
      file("evil.rules", rules),
    ];
    for (const format of ["tree", "md", "jsonl"]) {
      const { stdout, stderr } = await nfpath(["explain", "--format", format, ...inputs]);
      expect(stdout).toContain("DROP");
      expect(stdout).not.toContain("\u001b");
      expect(stderr).not.toContain("\u001b");
      expect(stdout).not.toContain("\u0007");
    }
  });

  test("a reader that goes away early ends it quietly", async () => {
    const { status, stderr } = await nfpath(["explain", "--format", "jsonl", TRACE, RULES], {
      closesEarly: true,
    });
    expect([status, stderr.includes("EPIPE")]).toEqual([0, false]);
  });

  test("--strict tells by the status that something could not be read", async () => {
    const log = file("torn.log", `${DROPPED}TRACE: what is this\n`);
    expect((await nfpath(["explain", log])).status).toBe(0);
    expect((await nfpath(["explain", "--strict", log])).status).toBe(4);
    expect((await nfpath(["explain", "--strict", TRACE])).status).toBe(0);
  });
});

describe("what cannot be explained: one line that says what to do, and status 2", () => {
  test.each<[string, () => string[], RegExp, string?]>([
    ["a missing file", () => ["no-such-file.log"], /no-such-file\.log: no such file; check the name/],
    ["a missing file in a folder", () => ["/no/such"], /\/no\/such: no such file; check the name/],
    ["a folder", () => [folder], /it is a directory; name the files in it/],
    ["an empty file", () => [file("empty", "")], /empty: empty; was the log rotated/],
    [
      "a binary file",
      () => [file("binary", Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 0, 1]))],
      /a binary file, not text; give/,
    ],
    [
      "a compressed file",
      () => [file("log.gz", gzipSync(DROPPED))],
      /it looks compressed: zcat FILE \| nfpath explain -/,
    ],
    [
      "a ruleset alone",
      () => [RULES],
      /\d+ rules in iptables-save, but no trace to explain with them; give the kernel log/,
    ],
    [
      "prose",
      () => [file("prose", "Dear all,\nnothing works.\n")],
      /no trace and no rules in it; give the kernel log/,
    ],
    [
      "LOG lines alone",
      () => [file("log", DROPPED.replaceAll(/TRACE: \S+/g, "seen: "))],
      /2 LOG lines, but no TRACE/,
    ],
    [
      "a filter with a typo",
      () => [TRACE, "upd", "port", "53"],
      /`upd` is no word of the filter language.*did you mean `udp`/,
    ],
    [
      "an outcome that is none",
      () => [TRACE, "--only", "droped"],
      /--only droped: no such outcome; one of delivered/,
    ],
    ["a format that is none", () => [TRACE, "--format", "xml"], /xml.*tree, jsonl, json, md/],
    ["an option that is none", () => [TRACE, "--frobnicate"], /unknown option '--frobnicate'/],
    ["a year that is none", () => [TRACE, "--year", "x"], /a whole number is needed/],
    ["nothing on standard input", () => ["-"], /-: empty/, ""],
  ])("%s", async (_name, words, message, input) => {
    const ran = await nfpath(["explain", ...words()], { input: input ?? "" });
    expect(ran.stderr).toMatch(message);
    expect(ran.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(ran.stderr).toMatch(/^nfpath: /);
    expect([ran.status, ran.stdout]).toEqual([2, ""]);
  });
});

describe("the words of the command", () => {
  test("--version and --help answer on standard output", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(await nfpath(["--version"])).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
    for (const words of [["--help"], ["explain", "--help"], ["trace", "--help"], ["lab", "--help"]]) {
      const { status, stdout, stderr } = await nfpath(words);
      expect([status, stderr]).toEqual([0, ""]);
      expect(stdout).toContain("Usage: nfpath");
    }
  });

  test("trace --help lists what it changes on the host", async () => {
    const { stdout } = await nfpath(["trace", "--help"]);
    expect(stdout).toContain("What it changes on the host");
    expect(stdout).toContain("net.netfilter.nf_log");
  });

  test.each([[["frobnicate"]], [["lab", "nowhere"]], [["trace", "--for", "soon"]], [["trace", "--netns"]]])(
    "%j is refused with status 2",
    async (words) => {
      const { status, stderr } = await nfpath(words);
      expect(status).toBe(2);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    },
  );
});
