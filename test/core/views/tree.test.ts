import { describe, expect, test } from "vitest";
import { markdownJourney } from "../../../src/core/views/markdown.ts";
import { widthOfLine } from "../../../src/core/views/styled.ts";
import { ASCII, describeJourney, UNICODE } from "../../../src/core/views/tree.ts";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { TraceLog } from "../../support/trace-log.ts";

const RULES = [
  "*filter",
  ":INPUT ACCEPT [0:0]",
  ":FORWARD DROP [0:0]",
  ":OUTPUT ACCEPT [0:0]",
  ":a-chain-with-quite-a-long-name - [0:0]",
  '-A FORWARD -i eth0 -p udp -m comment --comment "`rm` | <b>bold</b> [x](y) *z* _u_" -j a-chain-with-quite-a-long-name',
  "-A a-chain-with-quite-a-long-name -p udp -m multiport --dports 53,67,68,69,111,123,137,138,161,162,500,514,520,631 -j DROP",
  "COMMIT",
  "",
].join("\n");

const LOG = new TraceLog()
  .at("mangle:PREROUTING:policy:1", { in: "eth0" })
  .at("mangle:FORWARD:policy:1", { in: "eth0", out: "eth1", ttl: 63 })
  .at("filter:FORWARD:rule:1", { in: "eth0", out: "eth1", ttl: 63 })
  .at("filter:a-chain-with-quite-a-long-name:rule:1", { in: "eth0", out: "eth1", ttl: 63 }).text;

async function explained() {
  const { explained: journeys } = await explainInputs([textInput("log", LOG), textInput("rules", RULES)]);
  const [journey] = journeys;
  if (journey === undefined) throw new Error("a journey was expected");
  return journey;
}

describe("the tree", () => {
  test("a packet of which only the headers were shown has come in by what they say", async () => {
    const { tree } = await explainInputs([
      textInput(
        "trace",
        'trace id 000000aa inet fw prerouting packet: iif "eth0" ip saddr 192.0.2.1 ip daddr 192.0.2.2 ip protocol udp ',
      ),
    ]);
    expect(tree).toMatch(/^1 {2}UDP 192\.0\.2\.1 → 192\.0\.2\.2 {2}in eth0$/m);
  });

  test("a chain's name that is longer than its column has a line of its own", async () => {
    const { tree } = await explainInputs([
      textInput(
        "trace",
        [
          'trace id 000000aa inet a_table_of_long_name prerouting packet: iif "eth0" ip saddr 192.0.2.1 ip daddr 192.0.2.2 ip protocol udp',
          "trace id 000000aa inet a_table_of_long_name prerouting rule udp dport 53 drop (verdict drop)",
        ].join("\n"),
      ),
    ]);
    expect(tree).toMatch(/inet a_table_of_long_name prerouting\n +udp dport 53 drop\n/);
  });

  test.each([60, 80, 132])("keeps to %i columns, but for words that are longer", async (columns) => {
    const lines = describeJourney(await explained(), { columns, glyphs: UNICODE });
    for (const line of lines) {
      const longest = Math.max(
        0,
        ...line.flatMap((part) =>
          part.text
            .trim()
            .split(" ")
            .map((word) => word.length),
        ),
      );
      expect(widthOfLine(line) <= columns || longest > 24).toBe(true);
    }
  });

  test("says the same in any width", async () => {
    const words = (columns: number, journey: Awaited<ReturnType<typeof explained>>) =>
      describeJourney(journey, { columns, glyphs: UNICODE })
        .flatMap((line) => line.map((part) => part.text).join(""))
        .join(" ")
        .split(/\s+/)
        .join(" ");
    const journey = await explained();
    expect(words(60, journey)).toBe(words(Number.POSITIVE_INFINITY, journey));
  });

  test("indents a chain that was jumped to, and marks what ended the packet", async () => {
    const lines = describeJourney(await explained(), { columns: Number.POSITIVE_INFINITY, glyphs: UNICODE });
    const text = lines.map((line) => line.map((part) => part.text).join(""));
    const jump = text.findIndex((line) => line.includes("-j a-chain-with-quite-a-long-name"));
    expect(text[jump + 1]).toMatch(/^ {28,}└ a-chain-with-quite-a-long-name 1 {3}-p udp -m multiport/);
    const bad = lines.filter((line) => line.some((part) => part.style === "bad"));
    expect(bad.map((line) => line.map((part) => part.text).join("")).join("\n")).toContain("✘ dropped");
  });

  test("in ASCII, our own words are ASCII", async () => {
    const lines = describeJourney(await explained(), { columns: 80, glyphs: ASCII });
    expect(lines.flatMap((line) => line.map((part) => part.text)).join("")).toMatch(/^[\x20-\x7e]*$/);
  });
});

test("Markdown shows a hostile comment as the text it is", async () => {
  const lines = markdownJourney(await explained());
  const table = lines.filter((line) => line.startsWith("| forward"));
  expect(table.some((line) => line.includes("``-i eth0"))).toBe(true);
  for (const line of table) expect(line.match(/(?<!\\)\|/g)).toHaveLength(8);
  const prose = lines.filter(
    (line) => line.startsWith("- ") || line.startsWith("  - ") || line.startsWith("**"),
  );
  for (const line of prose.filter((text) => !text.includes("try:"))) expect(line).not.toMatch(/(?<!\\)<b>/);
});
