/**
 * The text of `xtables-monitor --trace`: the nft trace of iptables-nft, in iptables' words.
 *
 * `PACKET:` lines show headers, ` TRACE:` lines name what spoke: `raw:PREROUTING:rule:0x3:CONTINUE  -4 -t raw -A …`. The
 * number behind `rule:` is nft's handle in hexadecimal, no position (`iptables/xtables-monitor.c`). Its habits, by version:
 * - MAC addresses without padding (`ether_ntoa`), always;
 * - IPv6's LEN 20 bytes short (it adds IPv4's header to the payload), seen up to 1.8.13;
 * - before 1.8.9 no space behind ID: `ID=36299DF SPORT=…`;
 * - before 1.8.7 a packet's TRACE line comes first, its family is printed as 0, and loopback has `LL=0x304…`;
 * - from 1.8.11 the rule begins with the command (`iptables -t raw …`) where older ones have `-4`.
 */
import { type Family, familyOfNumber } from "../../netfilter/family.ts";
import type { Verdict } from "../../netfilter/verdict.ts";
import { type DecoderContext, type LineDecoder, NO_EVENTS } from "../decoder.ts";
import type { Event, Origin, Sighting, StepKind } from "../event.ts";
import { FieldValues } from "./field-values.ts";
import { readGap } from "./log-gaps.ts";
import { PacketFields } from "./packet-fields.ts";
import { readTraceHead } from "./trace-head.ts";

/** `PACKET: 2 b077d09e ` and `TRACE: 2 b077d09e `. */
const RECORD = /\b(PACKET|TRACE): +(\d{1,2}) ([0-9a-f]{8})(?=\s|$)/;
const RECORDS = new RegExp(RECORD, "g");

const RULE = /^([a-z]\w*):(\S+?):rule:0x([0-9a-f]+):([A-Z]+|0x[0-9a-f]+)(?::(\S+))?(?:\s|$)/;
const RETURN = /^([a-z]\w*):(\S+):return:\S*(?:\s|$)/;
const POLICY = /^([a-z]\w*):(\S+):policy:([A-Z]+)(?:\s|$)/;

/** Linux 6.1 reports their end too, before their policy. */
const BASE_CHAINS = new Set(["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]);

/** A rule's own text: behind the family or the command. */
const RULE_TEXT = /^\s*(?:-[0467] |(?:ip|ip6|arp|eb)tables(?:-nft)? )?(-\S.*?)\s*$/;

interface MonitorRecord {
  readonly word: string;
  readonly nfproto: number;
  readonly traceId: number;
  /** Its part of the line, from the word on, and behind the id. */
  readonly text: string;
  readonly body: string;
}

export class XtablesMonitorDecoder implements LineDecoder {
  readonly #context: DecoderContext;
  readonly #values = new FieldValues();
  readonly #fields = new PacketFields(this.#values, "monitor");
  /** Whether packets of this input keep the tool's trailing space, so that one without it was cut. */
  #keepsSpace = false;

  constructor(context: DecoderContext) {
    this.#context = context;
  }

  /** Whether a line holds a record: the quick gate. */
  static recognises(text: string): boolean {
    const trace = text.indexOf("TRACE: ");
    // The kernel's record has a table there, this tool's a family's number.
    if (trace === -1 ? text.indexOf("PACKET: ") === -1 : !isDigitOrSpace(text.charCodeAt(trace + 7)))
      return false;
    return RECORD.test(text);
  }

  read(text: string, line: number): readonly Event[] {
    const events: Event[] = [];
    const records = splitRecords(text);
    for (const record of records) {
      const raw = records.length === 1 ? text : record.text.trim();
      events.push(this.#decode(record, { input: this.#context.input, line, raw }));
    }
    // The tool reports its own failure in the middle of a line, when it stumbles over a rule.
    const gap = readGap(text);
    if (gap !== null) {
      const origin = { input: this.#context.input, line, raw: text };
      const { netns } = this.#context;
      events.push({
        kind: "gap",
        origin,
        time: null,
        netns,
        gap: gap.gap,
        count: gap.count,
        remedy: gap.remedy,
      });
    }
    return events.length === 0 ? NO_EVENTS : events;
  }

  /** Nothing is ever held back: no line of this tool goes on. */
  flush(): readonly Event[] {
    return NO_EVENTS;
  }

  end(): readonly Event[] {
    return NO_EVENTS;
  }

  #decode(record: MonitorRecord, origin: Origin): Event {
    return record.word === "PACKET" ? this.#packet(record, origin) : this.#trace(record, origin);
  }

  #packet(record: MonitorRecord, origin: Origin): Event {
    const sighting = this.#sighting(record.body);
    if (sighting === null) return this.#unparsed(origin, "no header follows");
    return {
      kind: "sighting",
      origin,
      time: null,
      netns: this.#context.netns,
      // Family 0 is the tool's own fault; the addresses tell.
      family: familyOfNumber(record.nfproto) ?? sighting.packet.family,
      table: null,
      chain: null,
      traceId: record.traceId,
      sighting,
    };
  }

  #sighting(body: string): Sighting | null {
    const fields = this.#fields;
    const endsInSpace = body.endsWith(" ");
    if (endsInSpace) this.#keepsSpace = true;
    const isCut = !endsInSpace && this.#keepsSpace;
    fields.scan(body, 0, body.length);
    if (fields.endsInValue && (isCut || !fields.isComplete)) fields.dropLastValue(body, 0);
    if (fields.isIpv6 && fields.length !== -1) fields.length += 20;
    const sighting = fields.sighting();
    // The flags come last, so some of them may be cut off.
    return sighting === null || !isCut
      ? sighting
      : { ...sighting, packet: { ...sighting.packet, tcp: null } };
  }

  #trace(record: MonitorRecord, origin: Origin): Event {
    const body = record.body.trimStart();
    const rule = RULE.exec(body);
    if (rule !== null) return this.#rule(record, rule, body, origin);
    const policy = POLICY.exec(body);
    if (policy !== null) {
      const [, table, chain, verdict] = policy as unknown as [string, string, string, string];
      return this.#step(record, origin, table, chain, "policy", { verdict: verdictOf(verdict) });
    }
    const ended = RETURN.exec(body);
    if (ended !== null) {
      const [, table, chain] = ended as unknown as [string, string, string];
      if (!/^\d+$/.test(body.slice(body.lastIndexOf(":return:") + 8).trim())) {
        return this.#step(record, origin, table, chain, BASE_CHAINS.has(chain) ? "end" : "return", {});
      }
    }
    return this.#numbered(record, body, origin);
  }

  #rule(record: MonitorRecord, rule: RegExpExecArray, body: string, origin: Origin): Event {
    const [whole, table, chain, handle, word, target] = rule as unknown as [
      string,
      string,
      string,
      string,
      string,
      string | undefined,
    ];
    const verdict = verdictOf(word);
    const isCall = verdict === "jump" || verdict === "goto";
    const isWhole = whole.length < body.length;
    const text = RULE_TEXT.exec(body.slice(whole.length))?.[1] ?? null;
    return this.#step(record, origin, table, chain, "rule", {
      verdict: isWhole || !word.startsWith("0x") ? verdict : null,
      handle: BigInt(`0x${handle}`),
      toChain: isCall && isWhole ? (target ?? null) : null,
      ruleText: text === null || isCutRule(text, chain) ? null : text,
    });
  }

  /** `2 fc475a39 raw:PREROUTING:policy:2 IN=eth0 …`: no version prints this, but people do, out of two formats. */
  #numbered(record: MonitorRecord, body: string, origin: Origin): Event {
    const head = readTraceHead(body);
    // A number at the very end may be the beginning of `0x…`.
    if (head === null || head.length === body.length) {
      return this.#unparsed(origin, "no table:chain:kind:verdict stands behind TRACE");
    }
    this.#fields.scan(body, head.length, body.length);
    if (this.#fields.endsInValue) this.#fields.dropLastValue(body, head.length);
    const { table, chain, step, number } = head;
    return this.#step(record, origin, table, chain, step, {
      tracer: "xtables",
      number,
      sighting: this.#fields.sighting(),
    });
  }

  #step(
    record: MonitorRecord,
    origin: Origin,
    table: string,
    chain: string,
    step: StepKind,
    told: {
      readonly tracer?: "xtables";
      readonly number?: number | null;
      readonly handle?: bigint;
      readonly verdict?: Verdict | null;
      readonly toChain?: string | null;
      readonly ruleText?: string | null;
      readonly sighting?: Sighting | null;
    },
  ): Event {
    return {
      kind: "step",
      origin,
      time: null,
      netns: this.#context.netns,
      tracer: told.tracer ?? "nft",
      family: familyOf(record),
      table,
      chain,
      step,
      number: told.number ?? null,
      handle: told.handle ?? null,
      verdict: told.verdict ?? null,
      toChain: told.toChain ?? null,
      ruleText: told.ruleText ?? null,
      traceId: record.traceId,
      sighting: told.sighting ?? null,
      mark: null,
      conntrack: null,
    };
  }

  #unparsed(origin: Origin, reason: string): Event {
    return { kind: "unparsed", origin, time: null, netns: this.#context.netns, reason };
  }
}

const VERDICTS: Readonly<Record<string, Verdict>> = {
  ACCEPT: "accept",
  DROP: "drop",
  QUEUE: "queue",
  STOLEN: "stolen",
  // NFT_BREAK: the rule gave up half way, the next one is asked.
  BREAK: "continue",
  CONTINUE: "continue",
  RETURN: "return",
  GOTO: "goto",
  JUMP: "jump",
};

/** Netfilter's own verdicts, whose number the tool prints where it knows no name; the upper bits are a queue's number. */
const NUMBERED: readonly Verdict[] = ["drop", "accept", "stolen", "queue", "repeat"];

function verdictOf(word: string): Verdict | null {
  if (word.startsWith("0x")) return NUMBERED[Number(word) & 0xff] ?? null;
  return Object.hasOwn(VERDICTS, word) ? (VERDICTS[word] as Verdict) : null;
}

function isDigitOrSpace(code: number): boolean {
  return code === 32 || (code >= 48 && code <= 57);
}

function familyOf(record: MonitorRecord): Family {
  const family = familyOfNumber(record.nfproto);
  if (family !== null) return family;
  return /(?:^|\s)(?:-6|ip6tables) /.test(record.body) ? "ip6" : "ip";
}

/** Whether a rule's text ends within `-t raw -A CHAIN` or within a quoted word. */
function isCutRule(text: string, chain: string): boolean {
  const named = /^-t \S+ -A (\S+)/.exec(text)?.[1];
  const quotes = text.replace(/\\./g, "").split('"').length - 1;
  return named !== chain || quotes % 2 !== 0;
}

function splitRecords(text: string): MonitorRecord[] {
  const matches = [...text.matchAll(RECORDS)];
  return matches.map((match, index) => {
    const [whole, word, nfproto, traceId] = match as unknown as [string, string, string, string];
    const end = matches[index + 1]?.index ?? text.length;
    return {
      word,
      nfproto: Number(nfproto),
      traceId: Number.parseInt(traceId, 16),
      text: text.slice(match.index, end),
      body: text.slice(match.index + whole.length, end),
    };
  });
}
