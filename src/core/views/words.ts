/** How packets, places and outcomes are put into words, the same in every view. */
import type { Explained } from "../diagnosis/diagnose.ts";
import { endpoint } from "../diagnosis/flows.ts";
import type { Change, Journey, Step } from "../journeys/journey.ts";
import { type IcmpHeader, type Packet, tcpFlagNames } from "../packets/packet.ts";

/** `UDP 203.0.113.9:38495 → 172.17.128.213:10370`, and what tells this packet from its neighbours. */
export function packetWords(packet: Packet, arrow: string): readonly string[] {
  const who = `${endpoint(packet.src, packet.sport)} ${arrow} ${endpoint(packet.dst, packet.dport)}`;
  const words = [`${(packet.protocol ?? packet.family).toUpperCase()} ${who}`];
  if (packet.tcp?.flags != null) words.push(tcpFlagNames(packet.tcp.flags).join(" ") || "no flags");
  if (packet.icmp !== null) words.push(icmpWords(packet.icmp, packet.family === "ip6"));
  if (packet.length !== null) words.push(`${packet.length} B`);
  if (packet.ipId !== null) words.push(`id ${packet.ipId}`);
  if (packet.fragmentOffset !== null && packet.fragmentOffset > 0)
    words.push(`fragment at ${packet.fragmentOffset}`);
  if (packet.ttl !== null) words.push(`ttl ${packet.ttl}`);
  return words;
}

const ICMP_NAMES: Readonly<Record<number, string>> = {
  0: "echo-reply",
  3: "destination-unreachable",
  4: "source-quench",
  5: "redirect",
  8: "echo-request",
  11: "time-exceeded",
  12: "parameter-problem",
};

const ICMPV6_NAMES: Readonly<Record<number, string>> = {
  1: "destination-unreachable",
  2: "packet-too-big",
  3: "time-exceeded",
  4: "parameter-problem",
  128: "echo-request",
  129: "echo-reply",
  133: "router-solicitation",
  134: "router-advertisement",
  135: "neighbour-solicitation",
  136: "neighbour-advertisement",
};

export function icmpWords(icmp: IcmpHeader, isV6: boolean): string {
  const name =
    icmp.type === null ? "?" : ((isV6 ? ICMPV6_NAMES : ICMP_NAMES)[icmp.type] ?? `type ${icmp.type}`);
  const isEcho = name.startsWith("echo");
  const code = icmp.code === null || isEcho ? "" : ` code ${icmp.code}`;
  return `${name}${code}${icmp.sequence === null ? "" : ` seq ${icmp.sequence}`}`;
}

/** `in eth0 ⇒ out docker0`, with bridge ports in brackets. Empty where no interface was told. */
export function interfaceWords(journey: Journey, doubleArrow: string): string {
  const startsHere = journey.steps[0]?.hook === "output";
  const stepped = journey.steps.flatMap(({ hook, sighting }) =>
    sighting === null ? [] : [{ hook, sighting }],
  );
  // A packet of which no chain said more has its headers alone.
  const seen =
    stepped.length === 0 && journey.first !== null ? [{ hook: null, sighting: journey.first }] : stepped;
  // A packet that was made here has come in only where it went out over loopback.
  const coming = startsHere ? seen.filter(({ hook }) => hook === "prerouting" || hook === "input") : seen;
  const inside = coming.find(({ sighting }) => sighting.in !== null)?.sighting.in ?? null;
  const outside = seen.findLast(({ sighting }) => sighting.out !== null)?.sighting.out ?? null;
  // Only legacy iptables tells bridge ports.
  const physIn = coming.find(({ sighting }) => sighting.physIn !== null)?.sighting.physIn ?? null;
  const physOut = seen.findLast(({ sighting }) => sighting.physOut !== null)?.sighting.physOut ?? null;
  const words: string[] = [];
  if (inside !== null) words.push(`in ${withPort(inside, physIn)}`);
  if (outside !== null) words.push(`out ${withPort(outside, physOut)}`);
  return (startsHere ? words.reverse() : words).join(` ${doubleArrow} `);
}

function withPort(name: string, port: string | null): string {
  return port === null ? name : `${name} (${port})`;
}

/** The changes of one kind in words: `destination a → b`, `ttl 57 → 56`. */
export function changeWords(step: Step, by: readonly Change["by"][], arrow: string): readonly string[] {
  const changes = step.changes.filter((change) => by.includes(change.by));
  const words: string[] = [];
  addAddress(words, step, changes, "source", "src", "sport", arrow);
  addAddress(words, step, changes, "destination", "dst", "dport", arrow);
  for (const { field, from, to } of changes) {
    if (field === "out") words.unshift(`to ${to}`);
    else if (field === "mark") words.push(`mark ${hex(from)} ${arrow} ${hex(to)}`);
    else if (!ADDRESS_FIELDS.has(field)) words.push(`${field} ${from} ${arrow} ${to}`);
  }
  return words;
}

const ADDRESS_FIELDS: ReadonlySet<string> = new Set(["src", "dst", "sport", "dport"]);

function addAddress(
  words: string[],
  step: Step,
  changes: readonly Change[],
  name: string,
  address: "src" | "dst",
  port: "sport" | "dport",
  arrow: string,
): void {
  const ofAddress = changes.find((change) => change.field === address);
  const ofPort = changes.find((change) => change.field === port);
  if (ofAddress === undefined && ofPort === undefined) return;
  const packet = step.sighting?.packet;
  const from = endpoint(
    textOf(ofAddress?.from ?? packet?.[address]),
    numberOf(ofPort?.from ?? packet?.[port]),
  );
  const to = endpoint(textOf(ofAddress?.to ?? packet?.[address]), numberOf(ofPort?.to ?? packet?.[port]));
  words.push(`${name} ${from} ${arrow} ${to}`);
}

function textOf(value: string | number | null | undefined): string | null {
  return value == null ? null : String(value);
}

function numberOf(value: string | number | null | undefined): number | null {
  return value == null ? null : Number(value);
}

function hex(value: string | number | null): string {
  return `0x${Number(value ?? 0).toString(16)}`;
}

/** `forwarded out docker0`, `dropped by filter:INPUT rule 1`. */
export function outcomeWords({ outcome, findings }: Explained): string {
  switch (outcome.verdict) {
    case "forwarded":
    case "sent":
      return outcome.out === null ? outcome.verdict : `${outcome.verdict} out ${outcome.out}`;
    case "delivered":
      return "delivered to this host";
    case "dropped":
    case "rejected": {
      const cause = findings.find((finding) => finding.cause === outcome.cause);
      return `${outcome.verdict}: ${cause?.what ?? "no finding explains it"}`;
    }
    case "queued":
      return "handed to user space, and not seen again";
    case "vanished":
      return `vanished: ${outcome.missing ?? "its trace stops"}`;
    case "unknown":
      return `unknown: ${outcome.missing ?? "the evidence does not say"}`;
  }
}
