import { describe, expect, it } from "vitest";
import { expressionText } from "../../../src/core/rulesets/nft-json-expressions.ts";
import { statementText } from "../../../src/core/rulesets/nft-json-statements.ts";
import { chainOf, read, readOne, rulesOf, tableOf } from "./read.ts";

const OBJECTS = [
  { metainfo: { version: "1.0.6", json_schema_version: 1 } },
  { table: { family: "inet", name: "fw", handle: 1 } },
  { set: { family: "inet", name: "banned", table: "fw", type: "ipv4_addr", handle: 2 } },
  {
    chain: {
      family: "inet",
      table: "fw",
      name: "in",
      handle: 3,
      type: "filter",
      hook: "input",
      prio: -5,
      policy: "drop",
    },
  },
  {
    rule: {
      family: "inet",
      table: "fw",
      chain: "in",
      handle: 7,
      comment: "hello",
      expr: [
        { match: { op: "!=", left: { meta: { key: "iifname" } }, right: "eth0" } },
        {
          match: {
            op: "==",
            left: { payload: { protocol: "tcp", field: "dport" } },
            right: { set: [22, { range: [80, 90] }] },
          },
        },
        { counter: { packets: 3, bytes: 180 } },
        { drop: null },
      ],
    },
  },
  {
    rule: {
      family: "inet",
      table: "fw",
      chain: "in",
      handle: 9,
      expr: [{ frobnicate: { hard: true } }, { accept: null }],
    },
  },
];
const JSON_TEXT = JSON.stringify({ nftables: OBJECTS });

describe("nft -j list ruleset", () => {
  it.each([
    ["on one line", JSON_TEXT],
    ["over many lines", JSON.stringify({ nftables: OBJECTS }, null, 4)],
    ["quoted in a mail", `Here it is:\n> ${JSON_TEXT}\nBye`],
  ])("is read %s", (_, text) => {
    const ruleset = readOne(text);
    expect(ruleset).toMatchObject({ format: "nft-json", backend: "nft", problems: [] });
    const chain = chainOf(ruleset, "fw", "in");
    expect(chain).toMatchObject({
      handle: 3n,
      positions: "known",
      base: { hook: "input", priority: -5, policy: "drop" },
    });
    expect(chain.rules[0]).toMatchObject({
      number: 1,
      handle: 7n,
      comment: "hello",
      text: 'iifname != "eth0" tcp dport { 22, 80-90 } counter packets 3 bytes 180 drop comment "hello"',
      short: 'iifname != "eth0" tcp dport { 22, 80-90 } drop',
      counters: { packets: 3n, bytes: 180n },
      target: "drop",
      line: null,
    });
    expect(tableOf(ruleset, "fw").opaque).toHaveLength(1);
  });

  it("keeps an expression nobody knows as its JSON", () => {
    const rule = rulesOf(read(JSON_TEXT))[1];
    expect(rule).toMatchObject({
      number: 2,
      statements: [
        { kind: "opaque", name: "frobnicate", text: '{"frobnicate":{"hard":true}}' },
        { kind: "accept" },
      ],
    });
  });

  it("reads several documents", () => {
    expect(read(`${JSON_TEXT}\n${JSON_TEXT}`)).toHaveLength(2);
  });

  it("reads commands for nft -j -f, whose positions are assumed", () => {
    const text = JSON.stringify({
      nftables: [{ flush: { ruleset: null } }, { add: OBJECTS[3] }, { insert: OBJECTS[4] }],
    });
    expect(chainOf(readOne(text), "fw", "in")).toMatchObject({
      positions: "assumed",
      rules: [{ handle: 7n }],
    });
  });

  it("says so when it is cut or of another kind", () => {
    expect(readOne(JSON_TEXT.slice(0, -40)).problems).toMatchObject([
      { line: 1, reason: "the JSON is damaged or does not end" },
    ]);
    expect(read('{"MESSAGE":"hello","PRIORITY":"4"}')).toEqual([]);
    expect(readOne('{"nftables": 5}').problems[0]?.reason).toBe("not a list of nftables objects");
  });

  it("takes no digits that JSON lost", () => {
    expect(statementText({ counter: { packets: 1, bytes: 2 ** 60 } })).toBe("counter");
  });
});

describe("words", () => {
  it.each([
    [
      { match: { op: "in", left: { ct: { key: "state" } }, right: ["established", "related"] } },
      "ct state established,related",
    ],
    [
      {
        match: {
          op: "==",
          left: { payload: { protocol: "ip", field: "saddr" } },
          right: { prefix: { addr: "192.0.2.0", len: 24 } },
        },
      },
      "ip saddr 192.0.2.0/24",
    ],
    [
      { match: { op: "==", left: { "&": [{ meta: { key: "mark" } }, 255] }, right: 1 } },
      "meta mark & 255 == 1",
    ],
    [
      { match: { op: "==", left: { fib: { result: "type", flags: ["daddr", "iif"] } }, right: "local" } },
      "fib daddr . iif type local",
    ],
    [
      { match: { op: "==", left: { ct: { key: "ip saddr", dir: "original" } }, right: "192.0.2.1" } },
      "ct original ip saddr 192.0.2.1",
    ],
    [
      { match: { op: "==", left: { payload: { base: "th", offset: 16, len: 16 } }, right: 53 } },
      "@th,16,16 53",
    ],
    [{ jump: { target: "x" } }, "jump x"],
    [{ dnat: { addr: "192.0.2.1", port: 80 } }, "dnat to 192.0.2.1:80"],
    [{ dnat: { family: "ip6", addr: "2001:db8::1", port: 80 } }, "dnat ip6 to [2001:db8::1]:80"],
    [{ masquerade: null }, "masquerade"],
    [{ redirect: { port: 3128 } }, "redirect to :3128"],
    [{ reject: { type: "icmpx", expr: "admin-prohibited" } }, "reject with icmpx admin-prohibited"],
    [{ reject: { type: "tcp reset" } }, "reject with tcp reset"],
    [{ limit: { rate: 5, per: "minute", burst: 5 } }, "limit rate 5/minute burst 5 packets"],
    [{ log: { prefix: "in: ", group: 2 } }, 'log prefix "in: " group 2'],
    [{ mangle: { key: { meta: { key: "mark" } }, value: 1 } }, "meta mark set 1"],
    [
      { vmap: { key: { meta: { key: "iifname" } }, data: { set: [["a", { jump: { target: "x" } }]] } } },
      "iifname vmap { a : jump x }",
    ],
    [{ queue: { num: 1, flags: "bypass" } }, "queue flags bypass to 1"],
    [{ xt: { type: "match", name: "addrtype" } }, 'xt match "addrtype"'],
    [{ notrack: null }, "notrack"],
    [{ flow: { op: "add", flowtable: "@ft" } }, "flow add @ft"],
    [{ xt: null }, null],
    [{ match: { op: "==", left: { newthing: 1 }, right: 1 } }, null],
  ])("%j", (statement, expected) => {
    expect(statementText(statement)).toBe(expected);
  });

  it("concatenations and maps", () => {
    expect(expressionText({ concat: ["a", 1] })).toBe("a . 1");
    expect(
      expressionText({ map: { key: { payload: { protocol: "tcp", field: "dport" } }, data: "@m" } }),
    ).toBe("tcp dport map @m");
  });
});
