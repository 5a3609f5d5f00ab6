/**
 * What tools other than the kernel write behind `TRACE: table:chain:kind:number`.
 *
 * A reader of NFLOG that looks rules up prints the rule in quotes; one that hands packets to Wireshark's dissector prints its
 * summary. Both name real steps, so the step is read, and of the packet what they tell.
 */
import type { Verdict } from "../../netfilter/verdict.ts";
import { unknownPacket } from "../../packets/packet.ts";
import { NOWHERE, type Sighting } from "../event.ts";
import type { FieldValues } from "./field-values.ts";

export interface Annotation {
  /** `-A PREROUTING -j TRACE`, unquoted; null where none is printed. */
  readonly ruleText: string | null;
  /** Out of `-P INPUT DROP`. */
  readonly verdict: Verdict | null;
  readonly sighting: Sighting | null;
}

const QUOTED_RULE = /"(-[AP] (?:[^"\\]|\\.)*)"/;
const POLICY = /^-P \S+ (ACCEPT|DROP)$/;
const DISSECTED = /Internet Protocol Version (?:4|6), Src: ([^\s,]+), Dst: ([^\s,]+)/;

/** Reads what stands behind a head that no packet fields follow; null where it is nothing known. */
export function readAnnotation(text: string, values: FieldValues): Annotation | null {
  const rule = QUOTED_RULE.exec(text)?.[1]?.replace(/\\(.)/g, "$1");
  if (rule !== undefined) {
    const policy = POLICY.exec(rule)?.[1];
    if (policy === undefined)
      return { ruleText: rule.startsWith("-A") ? rule : null, verdict: null, sighting: null };
    return { ruleText: null, verdict: policy === "ACCEPT" ? "accept" : "drop", sighting: null };
  }
  const addresses = DISSECTED.exec(text);
  if (addresses === null) return null;
  const [, from, to] = addresses as unknown as [string, string, string];
  const src = values.addresses.get(from, 0, from.length).value;
  const dst = values.addresses.get(to, 0, to.length).value;
  const packet = {
    ...unknownPacket(src.isIpv6 || dst.isIpv6 ? "ip6" : "ip"),
    src: src.text,
    dst: dst.text,
  };
  return { ruleText: null, verdict: null, sighting: { packet, ...NOWHERE } };
}
