import { describe, expect, it } from "vitest";
import { SCENARIOS } from "../../src/lab/scenarios/catalogue.ts";
import { nfpath } from "../support/cli.ts";

describe("nfpath lab list", () => {
  it("names every scenario and docker-udp, one a line", async () => {
    const { status, stdout, stderr } = await nfpath(["lab", "list"]);
    expect([status, stderr]).toEqual([0, ""]);
    const names = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0]);
    expect(names).toEqual(["name", "docker-udp", ...SCENARIOS.map((scenario) => scenario.name)]);
    expect(stdout).toMatch(/^firewalld-zone +legacy nft +rule-reject +a zone does not allow/m);
  });

  it("prints objects too", async () => {
    const { stdout } = await nfpath(["lab", "list", "--format", "jsonl"]);
    const all = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(all).toHaveLength(SCENARIOS.length + 1);
    expect(all.find(({ name }) => name === "hairpin")).toMatchObject({
      backends: ["legacy", "nft"],
      causes: ["dnat", "hairpin-without-snat"],
    });
  });
});

describe("words that are wrong", () => {
  it.each([
    [["input-drp"], "there is no lab input-drp; did you mean input-drop? nfpath lab list shows them"],
    [["run", "nonsense"], "there is no lab nonsense; nfpath lab list shows them"],
    [["run"], "there is no lab run; nfpath lab list shows them"],
    [["input-drop", "fly"], "fly is not something to do with a lab; use run, up or down"],
    [["run", "input-drop", "up"], "one word too many: up; nfpath lab run NAME"],
    [["run", "input-drop", "--backend", "mixed"], "input-drop has no mixed rules; --backend legacy or nft"],
    [["docker-udp", "--backend", "none"], "docker-udp has no none rules; --backend legacy or nft"],
  ])("%j: status 2 and one line", async (words, says) => {
    const { status, stdout, stderr } = await nfpath(["lab", ...words]);
    expect([status, stdout, stderr]).toEqual([2, "", `nfpath: lab: ${says}\n`]);
  });
});
