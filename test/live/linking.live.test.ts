/**
 * Whether events are linked to the right packets, against packets that name themselves: the linker is not shown the names, and
 * the share that it links wrongly is counted.
 */
import { createWriteStream, type WriteStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { serialize } from "node:v8";
import { afterEach, describe, expect, it } from "vitest";
import { readRules } from "../../src/app/rules.ts";
import type { Event, GapEvent } from "../../src/core/events/event.ts";
import { ALL_PACKETS } from "../../src/core/plans/trace-plan.ts";
import { RuleBook } from "../../src/core/rulesets/rule-book.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { startTrace } from "../../src/tracing/trace.ts";
import { type Backend, type LinkingLab, makeLinkingLab, type Pace } from "./linking/lab.ts";
import { asInKernelLog, JudgedLinker } from "./linking/truth.ts";
import type { LinkingVerdict } from "./linking/verdict.ts";

const missing = ["nft", "ip", "nsenter", "cc", "iptables-legacy"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

/** Events to ask for; the proof of a million is `npm run prove:linking`. */
const WANTED = Number(process.env.NFPATH_LINKING_EVENTS ?? 15_000);
/** Events that one packet of each sender makes, all of them and their answers together. */
const EVENTS_A_PACKET = 80;
const SAVE = process.env.NFPATH_LINKING_SAVE;

/** Each kind of header, through each kind of NAT, and packets that end here. */
const FROM_CLIENT = [
  ...["7001", "7101", "7201"].flatMap((port) =>
    ["u", "c", "r"].map((kind, at) => `${kind}:10.0.1.2:${4000 + at}:10.0.1.1:${port}`),
  ),
  "a:10.0.1.2:4100:10.0.1.1:7001",
  "a:10.0.1.2:4101:10.0.1.1:7101",
  "f:10.0.1.2:4200:10.0.1.1:7102",
  "e:10.0.1.2:77:10.0.1.1:0",
  "e:10.0.1.2:78:10.0.1.1:0",
  "e:10.0.1.2:79:172.18.0.3:0",
  "r:10.0.1.2:4300:10.0.1.1:7390",
  "u:10.0.1.2:4301:10.0.1.1:7391",
  "u:10.0.1.2:4302:10.0.1.1:9999",
];
const FROM_ROUTER = [
  "u:0.0.0.0:4500:172.18.0.2:7001",
  "c:0.0.0.0:4501:172.18.9.9:7002",
  "r:10.0.1.1:4502:10.0.1.2:9999",
  "u:127.0.0.1:4503:127.0.0.1:7003",
  "e:127.0.0.1:80:127.0.0.1:0",
];
const FROM_ONE = [
  "u:0.0.0.0:4600:172.18.0.3:7001",
  "r:172.18.0.2:4601:172.18.0.3:7103",
  "u:0.0.0.0:4602:10.0.1.1:7003",
  "e:172.18.0.2:81:172.18.0.3:0",
];
/** Packets of which a flow's headers are all alike, and which two senders send at the same time. */
const ALIKE = [
  "z:10.0.1.2:4700:10.0.1.1:7103",
  "t:10.0.1.2:4701:10.0.1.1:7103",
  "i:10.0.1.2:82:172.18.0.3:0",
];

describe.skipIf(lacks !== null)(`linking${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  const labs: LinkingLab[] = [];

  afterEach(async () => {
    for (const lab of labs.splice(0)) await lab.remove();
  });

  async function link(backend: Backend, perSender: number, alike: number, pace?: Pace) {
    const lab = await makeLinkingLab(backend);
    labs.push(lab);
    const rules = await readRules(lab.router);
    if (!rules.ok) throw new Error(rules.error.message);
    const book = new RuleBook(rules.value.rulesets);
    const linker = new JudgedLinker(book);
    const logLinker = new JudgedLinker(book);
    const gaps: GapEvent[] = [];
    const file = SAVE === undefined ? null : createWriteStream(`${SAVE}.${backend}`);
    if (file !== null) save(file, rules.value.rulesets);
    const trace = await startTrace({
      selectors: ALL_PACKETS,
      netns: [lab.router],
      deadlineSeconds: 600,
      ratePerSecond: 1_000_000,
      onEvents: (batch: readonly Event[]) => {
        for (const event of batch) if (event.kind === "gap") gaps.push(event);
        linker.add(batch);
        if (backend !== "nft") logLinker.add(asInKernelLog(batch));
        if (file !== null) save(file, batch);
      },
    });
    if (!trace.ok) throw new Error(trace.error.message);
    await Promise.all([
      lab.send(lab.client, 0, 0x0100_0001, perSender, FROM_CLIENT, pace),
      lab.send(lab.client, 1, 0x0200_0001, perSender, FROM_CLIENT.map(otherSource), pace),
      lab.send(lab.router, 0, 0x0300_0001, perSender, FROM_ROUTER, pace),
      lab.send(lab.one, 1, 0x0400_0001, perSender, FROM_ONE, pace),
      ...[0, 1].map((cpu) => lab.send(lab.client, cpu, 0x1000_0000 * (cpu + 1) + 1, alike, ALIKE, pace)),
    ]);
    await sleep(500);
    const end = await trace.value.stop();
    file?.end();
    if (!end.ok) throw new Error(end.error.message);
    const verdicts = [say(backend, linker)];
    if (backend !== "nft") verdicts.push(say(`${backend}, as in the kernel log`, logLinker));
    return { verdicts, gaps };
  }

  it.each<Backend>(["legacy", "nft", "both"])(
    "of %s rules is right, live and as the kernel log would have it",
    async (backend) => {
      const packets = Math.ceil(WANTED / EVENTS_A_PACKET);
      let pace: Pace = { burst: 60, pause: 200_000 };
      let run = await link(backend, packets, Math.ceil(packets / 4), pace);
      // On a busy machine the kernel loses events, and then nobody can link them.
      for (let tries = 0; run.gaps.length > 0 && tries < 3; tries++) {
        pace = { burst: 60, pause: pace.pause * 2 };
        run = await link(backend, packets, Math.ceil(packets / 4), pace);
      }
      expect(run.gaps).toEqual([]);
      for (const verdict of run.verdicts) {
        expect(verdict.wrong).toBe(0);
        // Doubt is rare, even where others that are alike are sent at the same time …
        expect(verdict.unsure).toBeLessThan(verdict.events / 10);
      }
      // … and live there is none about packets like no other.
      expect(run.verdicts[0]?.needlesslyUnsure).toBe(0);
      expect(run.verdicts[0]?.events).toBeGreaterThan(WANTED / 2);
    },
    900_000,
  );
});

function say(what: string, linker: JudgedLinker): LinkingVerdict {
  const verdict = linker.end();
  const { events, journeys, wrong, unsure, needlesslyUnsure, examples } = verdict;
  const nanos = Math.round((linker.spent * 1000) / events);
  process.stdout.write(
    `linking (${what}): ${events} events of ${journeys} packets, ${wrong} wrong, ${unsure} unsure (${needlesslyUnsure} of packets like no other), ${nanos} ns an event\n`,
  );
  if (examples.length > 0) process.stdout.write(`${examples.join("\n")}\n`);
  return verdict;
}

/** The same flow from other ports. */
function otherSource(flow: string): string {
  const [kind, from, port, ...to] = flow.split(":");
  return [kind, from, Number(port) + 1000, ...to].join(":");
}

/** For `bench/link-events.ts`. */
function save(file: WriteStream, record: unknown): void {
  const bytes = serialize(record);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(bytes.length);
  file.write(head);
  file.write(bytes);
}
