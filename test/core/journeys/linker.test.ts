import { describe, expect, test } from "vitest";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { TraceLog } from "../../support/trace-log.ts";

/** `table:chain` of each step, journey by journey. */
async function waysOf(text: string): Promise<string[]> {
  const { journeys } = await explainInputs([textInput("log", text)]);
  return journeys.map((journey) => journey.steps.map((step) => `${step.table}:${step.chain}`).join(" "));
}

async function reasonsOf(text: string): Promise<(string | undefined)[]> {
  const { journeys } = await explainInputs([textInput("log", text)]);
  return journeys.map((journey) => journey.joinedBy);
}

const FORWARDED = { in: "eth0", out: "eth1", ttl: 63 };

describe("legacy events", () => {
  test("two packets that interleave are told apart by their headers", async () => {
    const a = { id: 1 };
    const b = { id: 2 };
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:1", { ...a, in: "eth0" })
      .at("raw:PREROUTING:policy:1", { ...b, in: "eth0" })
      .at("filter:FORWARD:policy:1", { ...b, ...FORWARDED })
      .at("filter:FORWARD:policy:1", { ...a, ...FORWARDED })
      .at("mangle:POSTROUTING:policy:1", { ...a, ...FORWARDED });
    expect(await waysOf(log.text)).toEqual([
      "raw:PREROUTING filter:FORWARD mangle:POSTROUTING",
      "raw:PREROUTING filter:FORWARD",
    ]);
  });

  test("a packet that comes again is another journey", async () => {
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:1", { in: "eth0" })
      .at("filter:INPUT:policy:1", { in: "eth0" })
      .at("raw:PREROUTING:policy:1", { in: "eth0" })
      .at("filter:INPUT:policy:1", { in: "eth0" });
    expect(await waysOf(log.text)).toEqual(["raw:PREROUTING filter:INPUT", "raw:PREROUTING filter:INPUT"]);
  });

  test("a packet that was dropped at its first chain, and then comes again", async () => {
    const log = new TraceLog()
      .at("raw:PREROUTING:rule:2", { in: "eth0" })
      .at("raw:PREROUTING:rule:2", { in: "eth0" })
      .at("raw:PREROUTING:rule:2", { in: "eth0" });
    expect(await waysOf(log.text)).toEqual(["raw:PREROUTING", "raw:PREROUTING", "raw:PREROUTING"]);
  });

  test("rules of one chain rise; a lower number is the next packet", async () => {
    const log = new TraceLog()
      .at("filter:INPUT:rule:1", { in: "eth0" })
      .at("filter:INPUT:rule:3", { in: "eth0" })
      .at("filter:INPUT:rule:1", { in: "eth0" });
    expect(await waysOf(log.text)).toEqual(["filter:INPUT filter:INPUT", "filter:INPUT"]);
  });

  test("a chain that is jumped to twice belongs to one walk", async () => {
    const log = new TraceLog()
      .at("filter:INPUT:rule:1", { in: "eth0" })
      .at("filter:mine:return:1", { in: "eth0" })
      .at("filter:INPUT:rule:2", { in: "eth0" })
      .at("filter:mine:return:1", { in: "eth0" })
      .at("filter:INPUT:policy:3", { in: "eth0" });
    expect(await waysOf(log.text)).toEqual([
      "filter:INPUT filter:mine filter:INPUT filter:mine filter:INPUT",
    ]);
  });

  test("a bare RETURN in a built-in chain is printed as a policy, and the policy follows", async () => {
    const log = new TraceLog()
      .at("filter:INPUT:policy:2", { in: "eth0" })
      .at("filter:INPUT:policy:4", { in: "eth0" })
      .at("nat:INPUT:policy:1", { in: "eth0" });
    expect(await waysOf(log.text)).toEqual(["filter:INPUT filter:INPUT nat:INPUT"]);
  });

  test("over loopback OUTPUT and INPUT are one packet", async () => {
    const log = new TraceLog()
      .at("raw:OUTPUT:policy:1", { out: "lo" })
      .at("mangle:POSTROUTING:policy:1", { out: "lo" })
      .at("raw:PREROUTING:policy:1", { in: "lo" })
      .at("filter:INPUT:policy:1", { in: "lo" });
    expect(await waysOf(log.text)).toEqual(["raw:OUTPUT mangle:POSTROUTING raw:PREROUTING filter:INPUT"]);
  });

  test("a packet that leaves one interface and the like of it that enters another are two", async () => {
    const log = new TraceLog()
      .at("raw:OUTPUT:policy:1", { out: "eth0" })
      .at("mangle:POSTROUTING:policy:1", { out: "eth0" })
      .at("raw:PREROUTING:policy:1", { in: "eth1" });
    expect(await waysOf(log.text)).toEqual(["raw:OUTPUT mangle:POSTROUTING", "raw:PREROUTING"]);
  });

  test("NAT changes the destination at PREROUTING, and the join says so", async () => {
    const log = new TraceLog()
      .at("mangle:PREROUTING:policy:1", { in: "eth0" })
      .at("nat:PREROUTING:rule:1", { in: "eth0" })
      .at("filter:FORWARD:policy:1", { ...FORWARDED, dst: "172.18.0.2", dport: 5353 });
    expect(await waysOf(log.text)).toEqual(["mangle:PREROUTING nat:PREROUTING filter:FORWARD"]);
    expect(await reasonsOf(log.text)).toEqual(["headers-through-nat"]);
  });

  test("after a pause the same headers are another packet", async () => {
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:1", { in: "eth0" })
      .wait(10)
      .at("filter:INPUT:policy:1", { in: "eth0" });
    expect(await waysOf(log.text)).toEqual(["raw:PREROUTING", "filter:INPUT"]);
  });

  test("lines without headers follow each other as far as the way allows", async () => {
    const text =
      "TRACE: raw:PREROUTING:policy:1\nTRACE: filter:INPUT:rule:1\nTRACE: raw:PREROUTING:policy:1\n";
    expect(await waysOf(text)).toEqual(["raw:PREROUTING filter:INPUT", "raw:PREROUTING"]);
    expect(await reasonsOf(text)).toEqual(["neighbouring-lines", "single-event"]);
  });

  test("a record that was cut joins by what is left of its headers", async () => {
    const cut = "TRACE: filter:INPUT:rule:1 IN=eth0 OUT= SRC=192.0.2.1 DST=198.51.100.1 ...";
    const log = new TraceLog().at("raw:PREROUTING:policy:1", { in: "eth0" }).line(`[  100.000020] ${cut}`);
    expect(await waysOf(log.text)).toEqual(["raw:PREROUTING filter:INPUT"]);
    expect(await reasonsOf(log.text)).toEqual(["what-is-left-of-the-headers"]);
  });

  test("packets with identification 0 are told apart by their ports", async () => {
    const a = { id: 0, sport: 1000 };
    const b = { id: 0, sport: 2000 };
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:1", { ...a, in: "eth0" })
      .at("raw:PREROUTING:policy:1", { ...b, in: "eth0" })
      .at("filter:INPUT:rule:1", { ...a, in: "eth0" })
      .at("filter:INPUT:rule:2", { ...b, in: "eth0" });
    expect(await waysOf(log.text)).toEqual(["raw:PREROUTING filter:INPUT", "raw:PREROUTING filter:INPUT"]);
  });
});

describe("packets that are alike", () => {
  const twin = { id: 0, in: "eth0" };

  test("one after the other are told apart by the order alone", async () => {
    const log = new TraceLog();
    for (let packet = 0; packet < 3; packet++) {
      log
        .at("raw:PREROUTING:policy:1", twin)
        .at("mangle:INPUT:policy:1", twin)
        .at("filter:INPUT:policy:1", twin);
    }
    expect(await waysOf(log.text)).toEqual(Array(3).fill("raw:PREROUTING mangle:INPUT filter:INPUT"));
    expect(await reasonsOf(log.text)).toEqual(Array(3).fill("same-headers-within-window"));
  });

  test("under way at once: a step goes to the one that was seen last, and both journeys name the other", async () => {
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:1", twin)
      .at("raw:PREROUTING:policy:1", twin)
      .at("filter:INPUT:rule:1", twin)
      .at("filter:INPUT:rule:2", twin);
    const { journeys } = await explainInputs([textInput("log", log.text)]);
    expect(journeys.map(({ id, alike, joinedBy }) => [id, alike, joinedBy])).toEqual([
      ["1", ["2"], "one-of-several-alike"],
      ["2", ["1"], "one-of-several-alike"],
    ]);
    const doubted = journeys.flatMap(({ steps }) => steps.filter(({ alike }) => alike.length > 0));
    expect(doubted.map(({ chain, alike }) => [chain, alike])).toEqual([
      ["INPUT", ["1"]],
      ["INPUT", ["1"]],
    ]);
  });

  test("and one of them stands still: the one that was just seen goes on", async () => {
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:1", twin)
      .wait(1)
      .at("raw:PREROUTING:policy:1", twin)
      .at("filter:INPUT:rule:1", twin);
    expect(await waysOf(log.text)).toEqual(["raw:PREROUTING", "raw:PREROUTING filter:INPUT"]);
    expect(await reasonsOf(log.text)).toEqual(["single-event", "same-headers-within-window"]);
  });

  test("but for what NAT changes: a translation that was seen before decides", async () => {
    const inside = { dst: "172.18.0.2", dport: 80, ...FORWARDED };
    const log = new TraceLog()
      // One packet alone shows where port 53 goes to.
      .at("raw:PREROUTING:policy:1", twin)
      .at("filter:FORWARD:policy:1", { ...twin, ...inside })
      .wait(1)
      .at("raw:PREROUTING:policy:1", twin)
      .at("raw:PREROUTING:policy:1", { ...twin, dport: 54 })
      .at("filter:FORWARD:policy:1", { ...twin, ...inside });
    expect(await waysOf(log.text)).toEqual([
      "raw:PREROUTING filter:FORWARD",
      "raw:PREROUTING filter:FORWARD",
      "raw:PREROUTING",
    ]);
    expect(await reasonsOf(log.text)).toEqual([
      "headers-through-nat",
      "headers-through-known-nat",
      "single-event",
    ]);
  });

  test("and a translation that nobody has seen: both readings are shown", async () => {
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:1", twin)
      .at("raw:PREROUTING:policy:1", { ...twin, dport: 54 })
      .at("filter:FORWARD:policy:1", { ...twin, ...FORWARDED, dst: "172.18.0.2", dport: 80 });
    expect(await reasonsOf(log.text)).toEqual(["one-of-several-alike", "one-of-several-alike"]);
  });
});

describe("legacy events whose headers were cut", () => {
  const line = (at: string, src: string, dst: string, out = "") =>
    `TRACE: ${at} IN=eth0 OUT=${out} MAC=... SRC=${src} DST=${dst} ...`;

  test("are one packet's through DNAT, where the source is the same and nothing else fits", async () => {
    const text = [
      line("raw:PREROUTING:policy:1", "192.0.2.1", "198.51.100.1"),
      line("filter:FORWARD:policy:1", "192.0.2.1", "10.0.0.2", "br0"),
    ].join("\n");
    expect(await waysOf(text)).toEqual(["raw:PREROUTING filter:FORWARD"]);
    expect(await reasonsOf(text)).toEqual(["what-is-left-of-the-headers"]);
  });

  test("are two packets' where both ends differ", async () => {
    const text = [
      line("raw:PREROUTING:policy:1", "192.0.2.1", "198.51.100.1"),
      line("filter:FORWARD:policy:1", "192.0.2.9", "10.0.0.2", "br0"),
    ].join("\n");
    expect(await waysOf(text)).toEqual(["raw:PREROUTING", "filter:FORWARD"]);
  });

  test("and fit two packets alike: both are named", async () => {
    const text = [
      line("raw:PREROUTING:policy:1", "192.0.2.1", "198.51.100.1"),
      line("raw:PREROUTING:policy:1", "192.0.2.1", "198.51.100.2"),
      line("filter:FORWARD:policy:1", "192.0.2.1", "10.0.0.2", "br0"),
    ].join("\n");
    expect(await reasonsOf(text)).toEqual(["one-of-several-alike", "one-of-several-alike"]);
  });
});

describe("nft events", () => {
  const packet = (id: number, via = 'iif "eth0"') =>
    `packet: ${via} ip saddr 192.0.2.1 ip daddr 198.51.100.1 ip ttl 64 ip id ${id} ip protocol udp ip length 60 udp sport 40000 udp dport 53 udp length 40 `;

  test("a trace id that the next packet reuses begins another journey", async () => {
    const text = [
      `trace id 000000aa ip fw pre ${packet(1)}`,
      "trace id 000000aa ip fw pre policy accept ",
      `trace id 000000aa ip fw input ${packet(1)}`,
      "trace id 000000aa ip fw input rule udp dport 53 drop (verdict drop)",
      `trace id 000000aa ip fw pre ${packet(2)}`,
      "trace id 000000aa ip fw pre policy accept ",
      `trace id 000000aa ip fw input ${packet(2)}`,
      "trace id 000000aa ip fw input policy accept ",
    ].join("\n");
    expect(await waysOf(text)).toEqual(["fw:pre fw:input", "fw:pre fw:input"]);
  });

  test("the same packet under another trace id stays one journey", async () => {
    const text = [
      `trace id 000000aa ip fw pre ${packet(1)}`,
      "trace id 000000aa ip fw pre policy accept ",
      `trace id 000000bb ip fw input ${packet(1)}`,
      "trace id 000000bb ip fw input rule udp dport 53 drop (verdict drop)",
    ].join("\n");
    expect(await waysOf(text)).toEqual(["fw:pre fw:input"]);
  });

  test("headers that somebody has cut are one packet's where the trace id says so and NAT lies between", async () => {
    const text = [
      'trace id 000000aa inet fw pre packet: iif "eth0" ip saddr 192.0.2.1 ip daddr 198.51.100.1 tcp dport 8022 tcp flags == syn',
      "trace id 000000aa inet nat prerouting rule tcp dport 8022 dnat ip to 10.0.0.2:22 (verdict accept)",
      'trace id 000000aa inet fw forward packet: iif "eth0" oif "br0" ip daddr 10.0.0.2 .. tcp dport 22',
      "trace id 000000aa inet fw forward rule drop (verdict drop)",
      // Sent again: the same headers, another id, and a chain that the first has been in.
      'trace id 000000bb inet fw pre packet: iif "eth0" ip saddr 192.0.2.1 ip daddr 198.51.100.1 tcp dport 8022 tcp flags == syn',
      "trace id 000000bb inet fw pre policy accept",
    ].join("\n");
    expect(await waysOf(text)).toEqual(["nat:prerouting fw:forward", "fw:pre"]);
    const { journeys } = await explainInputs([textInput("trace", text)]);
    // The rule's text is in the trace: no listing is needed to know who translated it.
    expect(journeys[0]?.findings.find(({ cause }) => cause === "dnat")?.what).toContain(
      "sent it to 10.0.0.2:22 instead of 198.51.100.1:8022",
    );
    // Another id and cut headers prove nothing.
    const other = text.replace("000000aa inet fw forward packet", "000000cc inet fw forward packet");
    expect(
      await waysOf(other.replace("000000aa inet fw forward rule", "000000cc inet fw forward rule")),
    ).toEqual(["nat:prerouting", "fw:forward", "fw:pre"]);
  });

  test("a packet that comes again is not taken for the one whose chain it enters, though no listing tells priorities", async () => {
    const head = packet(1);
    const text = [
      `trace id 000000aa inet watch first ${head}`,
      "trace id 000000aa inet watch first policy accept",
      `trace id 000000aa inet nat prerouting ${head}`,
      "trace id 000000aa inet nat prerouting policy accept",
      `trace id 000000bb inet watch first ${head}`,
      "trace id 000000bb inet watch first policy accept",
    ].join("\n");
    expect(await waysOf(text)).toEqual(["watch:first nat:prerouting", "watch:first"]);
  });

  test("two packets interleaved under two ids", async () => {
    const text = [
      `trace id 000000aa ip fw pre ${packet(1)}`,
      `trace id 000000bb ip fw pre ${packet(2)}`,
      "trace id 000000aa ip fw pre policy accept ",
      "trace id 000000bb ip fw pre policy accept ",
      `trace id 000000bb ip fw input ${packet(2)}`,
      `trace id 000000aa ip fw input ${packet(1)}`,
      "trace id 000000aa ip fw input rule drop (verdict drop)",
      "trace id 000000bb ip fw input policy accept ",
    ].join("\n");
    expect(await waysOf(text)).toEqual(["fw:pre fw:input", "fw:pre fw:input"]);
  });

  test("a policy is a base chain's, so its name tells the hook where the headers of its packet were lost", async () => {
    const text = [
      "trace id 000000aa inet fw prerouting policy accept",
      `trace id 000000aa inet fw forward ${packet(1, 'iif "eth0" oif "eth1"')}`,
      "trace id 000000aa inet fw forward policy accept",
    ].join("\n");
    const { journeys } = await explainInputs([textInput("trace", text)]);
    expect(journeys.map(({ steps }) => steps.map(({ hook }) => hook))).toEqual([["prerouting", "forward"]]);
  });

  test("a chain whose hook has to be guessed is behind the last", async () => {
    const through = 'iif "eth0" oif "eth1"';
    const text = [
      `trace id 000000aa ip fw forward ${packet(1, through)}`,
      "trace id 000000aa ip fw forward policy accept ",
      `trace id 000000aa ip fw late ${packet(1, through)}`,
      "trace id 000000aa ip fw late policy accept ",
    ].join("\n");
    expect(await waysOf(text)).toEqual(["fw:forward fw:late"]);
  });

  test("alike packets under way at once are told apart by their ids", async () => {
    const text = [
      `trace id 000000aa ip fw pre ${packet(0)}`,
      `trace id 000000bb ip fw pre ${packet(0)}`,
      `trace id 000000bb ip fw input ${packet(0)}`,
      `trace id 000000aa ip fw input ${packet(0)}`,
      "trace id 000000aa ip fw input rule drop (verdict drop)",
    ].join("\n");
    const { journeys } = await explainInputs([textInput("log", text)]);
    expect(journeys.map(({ outcome, alike }) => [outcome.verdict, alike])).toContainEqual(["dropped", []]);
  });

  test("tables of equal name in two families are two chains of one packet", async () => {
    const text = [
      `trace id 000000aa ip filter input ${packet(1)}`,
      "trace id 000000aa ip filter input policy accept ",
      `trace id 000000aa inet filter input ${packet(1)}`,
      "trace id 000000aa inet filter input rule udp dport 53 drop (verdict drop)",
    ].join("\n");
    expect(await waysOf(text)).toEqual(["filter:input filter:input"]);
  });

  test("without any headers the trace id is believed", async () => {
    const text = "trace id 000000aa ip fw input rule drop (verdict drop)\n".repeat(1);
    expect(await waysOf(`trace id 000000aa ip fw x rule jump y (verdict jump y)\n${text}`)).toEqual([
      "fw:x fw:input",
    ]);
  });
});
