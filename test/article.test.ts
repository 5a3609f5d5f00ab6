/** The article that nfpath grew from: its log and its listing, read as an expert reads them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { article } from "./support/corpus.ts";
import { type Explanation, explainInputs } from "./support/explained.ts";
import { textInput } from "./support/text-inputs.ts";

describe.skipIf(article === null)("the article's log and listing (needs its files)", () => {
  let read: Explanation;

  beforeAll(async () => {
    const text = (name: string) => readFileSync(join(article as string, name), "utf8");
    read = await explainInputs([
      textInput("trace.log", text("trace.log")),
      textInput("iptables-L.txt", text("iptables-L.txt")),
    ]);
  });

  test("six journeys: three requests in by eth0 and out by docker0, three replies the other way; nothing is dropped", () => {
    expect(
      read.journeys.map((journey) => [journey.packet.in, journey.outcome.out, journey.outcome.verdict]),
    ).toEqual([
      ["eth0", "docker0", "forwarded"],
      ["docker0", "eth0", "forwarded"],
      ["eth0", "docker0", "forwarded"],
      ["docker0", "eth0", "forwarded"],
      ["eth0", "docker0", "forwarded"],
      ["docker0", "eth0", "forwarded"],
    ]);
    expect(read.report.events).toMatchObject({ step: 54, unparsed: 0 });
    expect(read.journeys.map((journey) => journey.answeredBy?.id ?? null)).toEqual([
      "2",
      null,
      "4",
      null,
      "6",
      null,
    ]);
  });

  test("the DNAT of port 10370 is rule 31 of nat:DOCKER, its ACCEPT rule 30 of filter:DOCKER", () => {
    const steps = read.journeys[0]?.steps ?? [];
    expect(steps.find((step) => step.chain === "DOCKER" && step.table === "nat")).toMatchObject({
      hook: "prerouting",
      rule: { number: 31 },
      target: "DNAT",
      verdict: "accept",
      changes: [{ field: "dst", from: "172.17.128.213", to: "172.18.0.2", by: "rule" }],
    });
    expect(steps.find((step) => step.chain === "DOCKER" && step.table === "filter")).toMatchObject({
      hook: "forward",
      rule: { number: 30 },
      target: "ACCEPT",
      verdict: "accept",
    });
    expect(read.tree.replace(/\s+/g, " ")).toContain(
      "DOCKER 31 ! -i docker0 -p udp --dport 10370 -j DNAT --to-destination 172.18.0.2:10370",
    );
  });

  test("101 rules of nat:POSTROUTING were tried and none matched; the elided listing tells no rule's text", () => {
    const last = read.journeys[0]?.steps.at(-1);
    expect(last).toMatchObject({
      table: "nat",
      chain: "POSTROUTING",
      kind: "policy",
      number: 102,
      rule: null,
      verdict: "accept",
    });
    expect(last?.note).toContain("leaves out");
    expect(read.tree).toContain("101 rules, none matched");
  });

  test("a bare RETURN is the rule it is, though the kernel prints it as a return", () => {
    const step = read.journeys[0]?.steps.find((candidate) => candidate.chain === "DOCKER-ISOLATION");
    expect(step).toMatchObject({ kind: "rule", target: "RETURN", verdict: "return", rule: { number: 1 } });
  });

  test("only the first request visits nat; the others, and every reply, are rewritten from conntrack", () => {
    const visits = read.journeys.map((journey) => journey.steps.some((step) => step.table === "nat"));
    expect(visits).toEqual([true, false, false, false, false, false]);
    const causes = read.journeys.map((journey) => journey.findings.map((finding) => finding.cause));
    expect(causes[0]).toContain("dnat");
    for (const later of causes.slice(1)) expect(later).toContain("nat-from-conntrack");
    const reply = read.journeys[1]?.findings.find((finding) => finding.cause === "nat-from-conntrack");
    expect(reply?.what).toContain("172.18.0.2:10370 goes back to 172.17.128.213:10370");
  });

  test("1511 bytes on a link of 1500 came as fragments: 1483 bytes of payload are 11 too many", () => {
    const finding = read.journeys[0]?.findings.find((candidate) => candidate.cause === "defragmented");
    expect(finding?.what).toContain("1483 bytes of payload, 11 more than one takes");
    expect(finding?.what).toContain("leaves docker0 in fragments again");
    expect(finding?.why).toContain("-400");
    for (const journey of read.journeys) {
      expect(journey.findings.map(({ cause }) => cause)).toContain("defragmented");
    }
  });

  test("the raw chain had one rule, the TRACE, before its policy", () => {
    expect(read.journeys[0]?.steps[0]).toMatchObject({
      table: "raw",
      kind: "policy",
      number: 2,
      verdict: "accept",
    });
  });

  test("times are the log's own, and the year is not invented", () => {
    expect(read.journeys[0]).toMatchObject({ first: "--08-24T11:14:47.178700000", clock: "kernel-log" });
  });
});
