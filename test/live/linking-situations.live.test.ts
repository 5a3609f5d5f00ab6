/**
 * Situations in which one packet is seen more than once, or several look like one, against the real kernel: each event knows the name of
 * its packet by its mark, so what was joined can be judged.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRules } from "../../src/app/rules.ts";
import type { Explained } from "../../src/core/diagnosis/diagnose.ts";
import { Explainer } from "../../src/core/diagnosis/explainer.ts";
import type { Event } from "../../src/core/events/event.ts";
import { RuleBook } from "../../src/core/rulesets/rule-book.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { startTrace } from "../../src/tracing/trace.ts";
import { root } from "../support/cli.ts";
import { until } from "../support/doomed-run.ts";
import { shell } from "../support/namespaces.ts";
import { type LinkingLab, makeLinkingLab } from "./linking/lab.ts";

const GIVE_BACK = join(root, "test/live/linking/give-back.js");

const missing = ["nft", "ip", "nsenter", "cc", "iptables-legacy"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

describe.skipIf(lacks !== null)(
  `one packet, several sights${lacks === null ? "" : ` (skipped: ${lacks})`}`,
  () => {
    let lab: LinkingLab;

    beforeAll(async () => {
      lab = await makeLinkingLab("both");
    });

    afterAll(async () => {
      await lab.remove();
    });

    /** What was explained of all packets that were traced while `send` ran. */
    async function explained(
      netns: readonly string[],
      send: () => Promise<void>,
    ): Promise<readonly Explained[]> {
      const rules = [];
      for (const name of netns) {
        const read = await readRules(name);
        if (!read.ok) throw new Error(read.error.message);
        rules.push(...read.value.rulesets);
      }
      const explainer = new Explainer(new RuleBook(rules));
      const all: Explained[] = [];
      const trace = await startTrace({
        selectors: {
          prerouting: ["meta l4proto { tcp, udp, icmp }"],
          output: ["meta l4proto { tcp, udp, icmp }"],
        },
        netns,
        deadlineSeconds: 120,
        ratePerSecond: 100_000,
        onEvents: (batch: readonly Event[]) => {
          for (const event of batch) all.push(...explainer.add(event));
        },
      });
      if (!trace.ok) throw new Error(trace.error.message);
      await send();
      await sleep(300);
      const end = await trace.value.stop();
      if (!end.ok) throw new Error(end.error.message);
      return [...all, ...explainer.end()];
    }

    /** A packet is known to the kernel by its mark, whatever becomes of its headers. */
    function marksOf({ journey }: Explained): ReadonlySet<number> {
      return new Set(journey.steps.map(({ event, sighting }) => event.mark ?? sighting?.mark ?? 0));
    }

    it("through host and container is one journey with parts, and ends as the last", async () => {
      const all = await explained([lab.client, lab.router, lab.one], () =>
        lab.send(lab.client, 0, 0x0500_0001, 60, [
          "u:10.0.1.2:4000:10.0.1.1:7001",
          "c:10.0.1.2:4001:10.0.1.1:7101",
        ]),
      );
      const sent = all.filter(
        ({ journey }) => journey.netns === lab.client && journey.steps[0]?.hook === "output",
      );
      expect(sent).toHaveLength(60);
      for (const packet of sent) {
        expect(packet.parts.map(({ journey }) => journey.netns)).toEqual([lab.router, lab.one]);
        for (const { relations } of packet.parts)
          expect(relations.continues?.by).toMatch(/^same-(trace-id-and-headers|headers-within-window)$/);
        expect([packet.outcomeHere.verdict, packet.parts[0]?.outcome.verdict]).toEqual(["sent", "forwarded"]);
        expect(packet.outcome.verdict).toBe("delivered");
        const marks = [packet, ...packet.parts].flatMap((part) => [...marksOf(part)]);
        expect(new Set(marks.filter((mark) => mark !== 0)).size).toBe(1);
      }
      // Answers go the other way, and nothing is left over.
      const answers = all.filter(
        ({ journey }) => journey.netns === lab.one && journey.steps[0]?.hook === "output",
      );
      expect(answers.map(({ parts }) => parts.map(({ journey }) => journey.netns))).toEqual(
        Array(60).fill([lab.router, lab.client]),
      );
      expect(all).toHaveLength(120);
    });

    it("that is refused is tied to the error that tells its sender, and no other", async () => {
      const all = await explained([lab.router], () =>
        lab.send(lab.client, 0, 0x0600_0001, 20, [
          "u:10.0.1.2:4301:10.0.1.1:7391",
          "u:10.0.1.2:4302:10.0.1.1:9999",
        ]),
      );
      const errors = all.filter(({ journey }) => journey.first?.packet.quoted != null);
      // The container has no listener at 7391's, and is not asked: the rule answers.
      const own = errors.filter(({ journey }) => journey.steps[0]?.hook === "output");
      expect(own).toHaveLength(20);
      for (const error of own) {
        expect(error.relations.causedBy?.by).toBe("quoted-headers");
        const id = error.relations.causedBy?.journey;
        const cause = all.find(({ journey }) => journey.id === id);
        expect(cause?.relations.answeredWith.map(({ journey }) => journey)).toContain(error.journey.id);
        expect(["rejected", "delivered"]).toContain(cause?.outcome.verdict);
      }
    });

    it("that is reset is tied to the reset", async () => {
      const all = await explained([lab.router], () =>
        lab.send(lab.client, 0, 0x0700_0001, 10, ["a:10.0.1.2:4100:10.0.1.1:7101"]),
      );
      const resets = all.filter(({ journey }) => ((journey.first?.packet.tcp?.flags ?? 0) & 4) !== 0);
      expect(resets).toHaveLength(10);
      for (const { relations } of resets) expect(relations.causedBy?.by).toBe("numbers-of-a-reset");
      expect(new Set(resets.map(({ relations }) => relations.causedBy?.journey)).size).toBe(10);
    });

    it("that is copied by TEE: the copy is another packet", async () => {
      await shell(
        "iptables-legacy -t mangle -A PREROUTING -p udp --dport 7102 -j TEE --gateway 172.18.0.3",
        lab.router,
      );
      const all = await explained([lab.router], () =>
        lab.send(lab.client, 0, 0x0800_0001, 20, ["r:10.0.1.2:4400:10.0.1.1:7102"]),
      );
      await shell("iptables-legacy -t mangle -F PREROUTING", lab.router);
      const requests = all.filter(
        ({ journey }) => journey.first?.packet.dport === 7102 && journey.first.in === "eth0",
      );
      expect(requests).toHaveLength(20);
      for (const { journey } of requests)
        expect(hooksOf(journey.steps)).toEqual(["prerouting", "forward", "postrouting"]);
      const copies = all.filter(
        ({ journey }) => journey.first?.packet.sport === 4400 && journey.steps[0]?.hook === "output",
      );
      // The container that the copies go to sends them back, where they are copied again, until their TTL is used up.
      expect(copies.length).toBeGreaterThanOrEqual(20);
      for (const copy of copies) {
        expect(copy.relations.copyOf?.by).toBe("copied-by-rule");
        if (copy.relations.copyOf?.alike.length !== 0) continue;
        const original = all.find(({ journey }) => journey.id === copy.relations.copyOf?.journey);
        expect(original === undefined ? null : marksOf(original)).toEqual(marksOf(copy));
      }
    });

    it.each([
      ["iptables-legacy -t mangle -A PREROUTING -p udp --dport 7102 -j TTL --ttl-set 30", "30"],
      ["iptables-legacy -t mangle -A FORWARD -p udp --dport 7102 -j TTL --ttl-inc 5", "68"],
      ["nft add rule inet rewriting forward udp dport 7102 ip ttl set 30 ip dscp set ef", "30"],
    ])("whose TTL a rule sets is one journey, and the rule did it: %s", async (rule, ttl) => {
      await shell(
        "nft 'table inet rewriting { chain forward { type filter hook forward priority -200; }; }'",
        lab.router,
      );
      try {
        await shell(rule, lab.router);
        const all = await explained([lab.router], () =>
          lab.send(lab.client, 0, 0x0e00_0001, 20, ["r:10.0.1.2:4950:10.0.1.1:7102"]),
        );
        const requests = all.filter(({ journey }) =>
          journey.steps.some((step) => step.sighting?.packet.sport === 4950),
        );
        expect(requests.map(({ journey }) => hooksOf(journey.steps))).toEqual(
          Array(20).fill(["prerouting", "forward", "postrouting"]),
        );
        for (const packet of requests) {
          expect(marksOf(packet).size).toBe(1);
          const changes = packet.journey.steps.flatMap((step) => step.changes);
          expect(
            changes.filter(({ field, by }) => field === "ttl" && by === "rule").map(({ to }) => String(to)),
          ).toEqual([ttl]);
        }
      } finally {
        await shell("nft delete table inet rewriting; iptables-legacy -t mangle -F", lab.router);
      }
    });

    it("that goes into a tunnel is tied to the one that carries it, and no other", async () => {
      const tunnel = (netns: string, address: string, here: string, there: string) =>
        shell(`ip -n ${netns} link add vx0 type vxlan id 42 dstport 4789 local ${here} remote ${there}
          ip -n ${netns} addr add ${address}/24 dev vx0; ip -n ${netns} link set vx0 up`);
      await tunnel(lab.router, "10.9.0.1", "172.18.0.1", "172.18.0.2");
      await tunnel(lab.one, "10.9.0.2", "172.18.0.2", "172.18.0.1");
      try {
        // The first waits for the neighbour.
        await lab.send(lab.client, 0, 0x0f00_0001, 1, ["r:10.0.1.2:4990:10.9.0.2:7001"]);
        const flows = (cpu: number) =>
          [7001, 7002, 7003].map((port) => `c:10.0.1.2:${4_991 + cpu}:10.9.0.2:${port}`);
        const all = await explained([lab.router, lab.one], async () => {
          await Promise.all(
            [0, 1].map((cpu) => lab.send(lab.client, cpu, 0x1000_0001 + cpu * 0x1_0000, 300, flows(cpu))),
          );
        });
        const parts = all.flatMap((one) => [one, ...one.parts]);
        const byId = new Map(parts.map((one) => [one.journey.id, one]));
        const went = parts.filter(
          ({ journey }) => journey.netns === lab.router && journey.last?.out === "vx0",
        );
        expect(went).toHaveLength(600);
        let sure = 0;
        for (const inner of went) {
          const by = inner.relations.carriedBy;
          const outer = byId.get(by?.journey ?? "");
          expect(outer?.journey.first?.packet.dport).toBe(4789);
          if ((outer?.relations.carries[0]?.alike.length ?? 0) > 0 || (by?.alike.length ?? 0) > 0) continue;
          if (outer !== undefined) expect(marksOf(outer)).toEqual(marksOf(inner));
          sure++;
        }
        expect(sure).toBeGreaterThan(0);
        expect(new Set(went.map(({ relations }) => relations.carriedBy?.journey)).size).toBe(600);
        const came = parts.filter(({ journey }) => journey.netns === lab.one && journey.first?.in === "vx0");
        expect(came).toHaveLength(600);
        let compared = 0;
        for (const { relations } of came) {
          const { unpackedFrom, continues } = relations;
          const outer = byId.get(unpackedFrom?.journey ?? "");
          const before = byId.get(continues?.journey ?? "")?.relations.carriedBy?.journey;
          const carrier = byId.get(before ?? "");
          if (unpackedFrom?.alike.length !== 0 || carrier?.relations.carries[0]?.alike.length !== 0) continue;
          const outerBefore = outer?.relations.continues;
          // Sockets of two namespaces are read one after the other, and some are known again too late.
          if (outerBefore == null || outerBefore.alike.length > 0) continue;
          expect(outerBefore.journey).toBe(before);
          compared++;
        }
        expect(compared).toBeGreaterThan(0);
      } finally {
        await shell(`ip -n ${lab.router} link del vx0; ip -n ${lab.one} link del vx0`);
      }
    });

    it("that a program held and gave back, in another order, goes on as itself", async () => {
      const rule = "FORWARD -p udp --dport 7102 -j NFQUEUE --queue-num 9";
      await shell(`iptables-legacy -t mangle -A ${rule}`, lab.router);
      const program = spawn(
        "nsenter",
        [`--net=/run/netns/${lab.router}`, process.execPath, GIVE_BACK, "9", "20"],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      let said = "";
      program.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
      try {
        await until("it listens", () => said.includes("listening"));
        const all = await explained([lab.router], async () => {
          await lab.send(lab.client, 0, 0x0d00_0001, 20, ["r:10.0.1.2:4900:10.0.1.1:7102"]);
          await until("all are given back", () => said.includes("given back"));
        });
        const requests = all.filter(
          ({ journey }) => journey.first?.packet.dport === 7102 && journey.first.in === "eth0",
        );
        expect(requests.map(({ journey, outcome }) => [hooksOf(journey.steps), outcome.verdict])).toEqual(
          Array(20).fill([["prerouting", "forward", "postrouting"], "forwarded"]),
        );
        for (const packet of requests) {
          expect(packet.journey.steps.some(({ verdict }) => verdict === "queue")).toBe(true);
          expect(marksOf(packet).size).toBe(1);
        }
      } finally {
        program.kill("SIGKILL");
        await shell(`iptables-legacy -t mangle -D ${rule}`, lab.router);
      }
    });

    it("that leaves by the interface it came in on (hairpin) is one journey, and so is one over the loopback", async () => {
      const all = await explained([lab.router], async () => {
        await lab.send(lab.two, 0, 0x0900_0001, 10, ["u:0.0.0.0:4600:10.0.1.1:7001"]);
        await lab.send(lab.router, 0, 0x0a00_0001, 10, ["u:127.0.0.1:4601:127.0.0.1:7002"]);
      });
      await shell("sysctl -q -w net.bridge.bridge-nf-call-iptables=1", lab.router);
      const hairpin = all.filter(
        ({ journey }) => journey.first?.packet.sport === 4600 && journey.first.packet.dport === 7001,
      );
      expect(hairpin.map(({ journey }) => hooksOf(journey.steps))).toEqual(
        Array(10).fill(["prerouting", "forward", "postrouting"]),
      );
      const loop = all.filter(({ journey }) => journey.first?.packet.sport === 4601);
      expect(loop.map(({ journey, outcome }) => [hooksOf(journey.steps), outcome.verdict])).toEqual(
        Array(10).fill([["output", "postrouting", "prerouting", "input"], "delivered"]),
      );
    });

    it("that is bridged passes the IP chains once, and is one journey", async () => {
      const all = await explained([lab.router], () =>
        lab.send(lab.one, 0, 0x0b00_0001, 10, ["u:0.0.0.0:4700:172.18.0.3:7001"]),
      );
      const bridged = all.filter(({ journey }) => journey.first?.packet.sport === 4700);
      expect(bridged.map(({ journey }) => hooksOf(journey.steps))).toEqual(
        Array(10).fill(["prerouting", "forward", "postrouting"]),
      );
      for (const packet of bridged) expect(marksOf(packet).size).toBe(1);
    });

    it("that came in fragments is one journey, of the whole packet", async () => {
      const all = await explained([lab.router], () =>
        lab.send(lab.client, 0, 0x0c00_0001, 10, ["f:10.0.1.2:4800:10.0.1.1:7102"]),
      );
      const whole = all.filter(({ journey }) => journey.first?.packet.sport === 4800);
      expect(whole.map(({ journey }) => [journey.first?.packet.length, hooksOf(journey.steps)])).toEqual(
        Array(10).fill([3028, ["prerouting", "forward", "postrouting"]]),
      );
    });
  },
);

function hooksOf(steps: Explained["journey"]["steps"]): readonly (string | null)[] {
  return steps.map(({ hook }) => hook).filter((hook, at, all) => hook !== all[at - 1]);
}
