#!/usr/bin/env node
/** The command line. Commands are loaded when they are asked for, so that `--help` and `--version` answer at once. */
import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { ExitStatus } from "../app/refusal.ts";
import {
  CANARY_PLACES,
  DIFF_FORMATS,
  DOCTOR_FORMATS,
  FORMATS,
  HOOK_FAMILIES,
  HOOKS_FORMATS,
  LAB_BACKENDS,
  MECHANISMS,
  SNAPSHOT_FORMATS,
  TRACE_FAMILIES,
  UNDO_FORMATS,
} from "./choices.ts";
import { say, sayRefusal } from "./say.ts";
import { refuseSetuid, sayLeftoversAtStart } from "./start.ts";

const version = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }
).version;

let status: ExitStatus = 0;

/** What stands behind `--` is a command of the user's, and none of it an option of ours. */
const dashes = process.argv.indexOf("--", 2);
const ourWords = process.argv.slice(2, dashes === -1 ? undefined : dashes);
const userCommand = dashes === -1 ? [] : process.argv.slice(dashes + 1);

const program = new Command("nfpath")
  .description("What did the Linux firewall do to my packet, and why did it not arrive?")
  .version(version, "-V, --version")
  .helpCommand(false)
  .configureOutput({
    outputError: (text, write) =>
      write(`nfpath: ${text.replace(/^error: /, "").trim()}; nfpath --help shows the words\n`),
  })
  .addHelpText(
    "after",
    `
Exit status: 0 it worked, whatever became of the packets; 1 nfpath itself failed; 2 the words of the command were
wrong; 3 not permitted, or the kernel lacks what is needed; 4 the evidence is not whole and --strict was given.`,
  )
  .hook("preAction", async (_program, command) => {
    // It is about to undo them, and says more.
    if (command.name() !== "undo") await sayLeftoversAtStart();
  })
  .exitOverride();

function formatOption(): Option {
  return new Option("--format <format>", "how to print").choices(FORMATS).default("tree");
}

const FLOWS = "show connections: both ways side by side, with NAT, times and what was sent again";
const SUMMARY = "show a summary that fits a screen (default above 50 journeys)";
const NO_SUMMARY = "show each journey, however many";

program
  .command("explain")
  .description("explain packets from logs, traces and rulesets, in any mix and order")
  .argument(
    "[file...]",
    "inputs, recognised by content; - is standard input; other words are a filter (udp and port 53)",
  )
  .addOption(formatOption())
  .option("--rules <file>", "a file that is rules, whatever it looks like (repeatable)", collect, [])
  .option("--only <outcomes>", "show only these outcomes: dropped, rejected, vanished, …")
  .option("--filter <expression>", "show only packets that match, in pcap-filter's words")
  .option(
    "--journey <id>",
    "show only the packet with this journey in its way, whole (repeatable)",
    collect,
    [],
  )
  .option(
    "--why-not <rule>",
    'say which condition of this rule failed: filter:FORWARD:4, "inet fw forward handle 7", or its words',
  )
  .option("--flows", FLOWS, false)
  .option("--summary", SUMMARY)
  .option("--no-summary", NO_SUMMARY)
  .option(
    "--follow <file>",
    "a log that is still written to, /dev/kmsg, or - : explain packets as they finish; other files are rules",
  )
  .option("--year <year>", "the year of a log that does not tell it", wholeNumber)
  .option("--strict", "end with status 4 when the evidence has gaps or unreadable parts", false)
  .action(async (words, flags) => {
    if (flags.follow !== undefined) {
      const { followCommand } = await import("./follow.ts");
      status = await followCommand(flags.follow, words, flags);
      return;
    }
    const { explainCommand } = await import("./explain.ts");
    status = await explainCommand(words, flags);
  });

program
  .command("trace")
  .description("trace packets live and explain them; ends by itself and leaves nothing behind")
  .argument("[filter...]", "which packets, in pcap-filter's words: udp and port 53 (default: all)")
  .option(
    "--netns <name>",
    "trace in this network namespace: a name, a path, or pid:N (repeatable)",
    collect,
    [],
  )
  .option("--for <time>", "how long: 30s, 5m (default 30s)", seconds, 30)
  .option("--packets <n>", "end after so many packets", wholeNumber)
  .option(
    "--follow",
    "also trace the packets that go the other way in the connections, through NAT (default: where the filter names an address or a port)",
  )
  .option("--no-follow", "trace what the filter's words say, and nothing else")
  .option(
    "--first <n>",
    "trace only the first n packets of each connection, counted in each direction",
    wholeNumber,
  )
  .option("--sample <1/n>", "trace the packets of one in n connections only", oneIn)
  .option("--fragments", "choose packets before their fragments are put together", false)
  .addOption(
    new Option(
      "--family <family>",
      "choose among the packets of this family: inet (default), ip, ip6, bridge, arp, netdev (repeatable)",
    )
      .argParser(traceFamilies)
      .default([], "inet"),
  )
  .option(
    "--ingress <device>",
    "also choose frames where they come in by this device (netdev; repeatable)",
    collect,
    [],
  )
  .option(
    "--egress <device>",
    "also choose frames where they leave by this device (netdev; repeatable)",
    collect,
    [],
  )
  .option("--rate <n>", "trace at most so many packets a second", wholeNumber, 1000)
  .option("--conntrack", "hear of connections too, so that translations are told exactly", false)
  .option("--nflog <group>", "show what NFLOG and log rules send to this group (repeatable)", nflogGroups, [])
  .addOption(
    new Option(
      "--mechanism <how>",
      "mark packets by an nft table, or by rules in iptables' raw table where there is no nft",
    )
      .choices(MECHANISMS)
      .default("auto"),
  )
  .option("--wire", "capture the packets at the interfaces too: fragments, MACs, checksums (tcpdump)", false)
  .option("--drops", "ask the kernel what it drops outside the rules, and why (bpftrace)", false)
  .addOption(formatOption())
  .option("--flows", FLOWS, false)
  .option("--summary", SUMMARY)
  .option("--no-summary", NO_SUMMARY)
  .option("--strict", "end with status 4 when the evidence has gaps", false)
  .option(
    "--dry-run",
    "print what would be changed on the host and how it would be undone; change nothing",
    false,
  )
  .option(
    "--print-script",
    "print a shell script that does the trace on a host without Node, for nfpath explain",
    false,
  )
  .addHelpText(
    "after",
    `
nfpath trace udp port 53 -- dig example.net     traces while the command runs and ends a moment after it

What it changes on the host, and takes back however it ends:
  - one nft table of its own for each family (inet nfpath_…, owned by the running nfpath), which marks the chosen packets;
    without nft, rules at the end of legacy iptables' raw table, with the comment nfpath:… (an empty raw table stays, if
    there was none)
  - net.netfilter.nf_log.2 and .10, only where legacy iptables tables are in use`,
  )
  .action(async (words, flags) => {
    if (flags.printScript) {
      const { printScriptCommand } = await import("./trace-script.ts");
      status = await printScriptCommand(words, userCommand, version, flags);
      return;
    }
    const { traceCommand } = await import("./trace.ts");
    status = await traceCommand(words, userCommand, flags);
  });

program
  .command("diff")
  .description("where the ways of two packets part, or what ended otherwise in two recordings, on one screen")
  .argument("<a>", "a recording, or one of its journeys: before.log, before.log#3")
  .argument("<b>", "the other one")
  .argument("[file...]", "inputs for both: rules, conntrack's listings")
  .option(
    "--rules <file>",
    "a file that is rules, whatever it looks like, for both (repeatable)",
    collect,
    [],
  )
  .option("--year <year>", "the year of a log that does not tell it", wholeNumber)
  .addOption(new Option("--format <format>", "how to print").choices(DIFF_FORMATS).default("tree"))
  .action(async (a, b, shared, flags) => {
    const { diffCommand } = await import("./diff.ts");
    status = await diffCommand(a, b, shared, flags);
  });

program
  .command("doctor")
  .description("whether a trace will work here, and the command that mends what stands in its way")
  .option(
    "--netns <name>",
    "examine this network namespace: a name, a path, or pid:N (repeatable)",
    collect,
    [],
  )
  .addOption(
    new Option(
      "--canary <place>",
      "trace one packet: in a scratch namespace, on loopback of the --netns (here), or not at all",
    )
      .choices(CANARY_PLACES)
      .default("scratch"),
  )
  .addOption(new Option("--format <format>", "how to print").choices(DOCTOR_FORMATS).default("tree"))
  .addHelpText(
    "after",
    `
It changes nothing but the scratch namespace, which it makes and removes; with --canary here it makes, for a second, the
changes that nfpath trace makes. Exit status 0: a trace will work; 3: it will not, and why is told.`,
  )
  .action(async (flags) => {
    const { doctorCommand } = await import("./doctor.ts");
    status = await doctorCommand(flags);
  });

program
  .command("hooks")
  .description("who runs first: every chain, conntrack and NAT at every hook, in order; changes nothing")
  .argument("[file...]", "rulesets, recognised by content; - is standard input (default: this host)")
  .option("--netns <name>", "of this network namespace: a name, a path, or pid:N (repeatable)", collect, [])
  .option("--rules <file>", "a file that is rules, whatever it looks like (repeatable)", collect, [])
  .addOption(new Option("--family <family>", "only this family; inet is ip and ip6").choices(HOOK_FAMILIES))
  .addOption(new Option("--format <format>", "how to print").choices(HOOKS_FORMATS).default("tree"))
  .action(async (files, flags) => {
    const { hooksCommand } = await import("./hooks.ts");
    status = await hooksCommand(files, flags);
  });

program
  .command("snapshot")
  .description(
    "what the host is like: addresses, routes, settings, sockets, rules, for explain; changes nothing",
  )
  .option("--netns <name>", "of this network namespace: a name, a path, or pid:N (repeatable)", collect, [])
  .option("--out <file>", "write it to this file, which its owner alone may read")
  .addOption(new Option("--format <format>", "how to print").choices(SNAPSHOT_FORMATS).default("json"))
  .action(async (flags) => {
    const { snapshotCommand } = await import("./snapshot.ts");
    status = await snapshotCommand(flags);
  });

program
  .command("undo")
  .description("put back what a killed run of nfpath has left; runs that still live are left alone")
  .addOption(new Option("--format <format>", "how to print").choices(UNDO_FORMATS).default("text"))
  .action(async (flags) => {
    const { undoCommand } = await import("./undo.ts");
    status = await undoCommand(flags);
  });

program
  .command("lab")
  .description("real hosts in network namespaces, to look at and to trace in")
  .argument("<words...>", "list; or run NAME; or NAME and what to do: run, up (build it and leave it), down")
  .addOption(new Option("--backend <backend>", "whose rules").choices(LAB_BACKENDS))
  .addOption(formatOption())
  .action(async (words, flags) => {
    const { labCommand } = await import("./lab.ts");
    status = await labCommand(words, flags);
  });

const SECONDS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["s", 1],
  ["m", 60],
  ["h", 3600],
]);

/** `30`, `30s`, `5m`, `1h`. */
function seconds(text: string): number {
  const [, count = "", unit = ""] = /^(\d+)([smh]?)$/.exec(text) ?? [];
  const total = Number(count) * (SECONDS.get(unit) ?? 0);
  if (total === 0) throw new InvalidArgumentError("a time such as 30s or 5m is needed");
  return total;
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function traceFamilies(
  value: string,
  before: readonly (typeof TRACE_FAMILIES)[number][],
): readonly (typeof TRACE_FAMILIES)[number][] {
  const family = TRACE_FAMILIES.find((one) => one === value);
  if (family === undefined) throw new InvalidArgumentError(`a family is one of ${TRACE_FAMILIES.join(", ")}`);
  return [...before, family];
}

/** `1/100` */
function oneIn(text: string): number {
  const [, count = ""] = /^1\/([1-9]\d{0,8})$/.exec(text) ?? [];
  if (count === "") throw new InvalidArgumentError("a part such as 1/100 is needed");
  return Number(count);
}

/** `include/uapi/linux/netfilter/nfnetlink_log.h`: groups have 16 bits. */
function nflogGroups(value: string, before: readonly number[]): readonly number[] {
  const group = wholeNumber(value);
  if (group > 65_535) throw new InvalidArgumentError("an NFLOG group is a number from 0 to 65535");
  return [...before, group];
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("a whole number is needed");
  return Number(text);
}

const refused = refuseSetuid();
try {
  if (refused === null) await program.parseAsync([...process.argv.slice(0, 2), ...ourWords]);
  else {
    sayRefusal(refused);
    status = refused.status;
  }
} catch (error) {
  if (error instanceof CommanderError) {
    status = error.exitCode === 0 ? 0 : 2;
  } else {
    say(
      `nfpath: a defect in nfpath: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    // At once: what was started ends with us, and undoes what was changed.
    process.exit(1);
  }
}
process.exitCode = status;
