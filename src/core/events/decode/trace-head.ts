/**
 * The head of a TRACE record: `raw:PREROUTING:policy:2`.
 *
 * `nf_trace`'s format is `"TRACE: %s:%s:%s:%u "` with table, chain, kind and number (`trace_packet` in
 * `net/ipv4/netfilter/ip_tables.c` and its IPv6 twin). A chain's name may hold colons, a table's cannot: so the table is
 * split off from the left, kind and number from the right.
 */
import type { StepKind } from "../event.ts";

export interface TraceHead {
  readonly table: string;
  readonly chain: string;
  readonly step: StepKind;
  readonly number: number;
  /** How many characters the head fills. */
  readonly length: number;
}

const HEAD =
  /^([a-z]\w*):([^\s:](?:\S*[^\s:])?):(rule|return|policy):([1-9]\d{0,9})(?=$|IN=|[\s"'`,;.)\]}<])/;

/** Reads the head that `text` begins with; null where it is none, or is not whole. */
export function readTraceHead(text: string): TraceHead | null {
  const match = HEAD.exec(text);
  if (match === null) return null;
  const [whole, table, chain, step, number] = match;
  return {
    table: table as string,
    chain: chain as string,
    step: step as StepKind,
    number: Number(number),
    length: whole.length,
  };
}
