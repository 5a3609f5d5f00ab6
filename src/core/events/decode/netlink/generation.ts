/**
 * Changes of the nftables rules: `net/netfilter/nf_tables_api.c`, `nf_tables_commit`.
 *
 * A transaction announces each thing it adds or deletes, and then, in a datagram of its own, the generation that begins
 * with it and who made it (`NFT_MSG_NEWGEN`). What was announced before tells which tables changed. The process is named
 * by its pid in the first pid namespace, so a pid cannot be compared with our own in a container.
 */
import type { Time } from "../../../base/time.ts";
import { familyOfNumber } from "../../../netfilter/family.ts";
import type { Slice } from "../../../packets/decode/bytes.ts";
import type { RulesChangedEvent, UnparsedEvent } from "../../event.ts";
import { emptyIndex, indexAttributes, textAttribute, u32Attribute } from "./attributes.ts";
import type { NetlinkContext } from "./context.ts";

/** The name of the table is attribute 1 of tables, chains, rules, sets, elements, objects and flowtables. */
const TABLE = 1;
const NFTA_GEN_ID = 1;
const NFTA_GEN_PROC_PID = 2;
const NFTA_GEN_PROC_NAME = 3;

const NETFILTER_HEADER = 4;
/** Whoever may change rules may also invent any number of names. */
const MOST_TABLES = 256;

const attributes = emptyIndex();

/** Remembers the table that an announcement is about, for the generation that follows. Never throws. */
export function noteChangedTable(body: Slice, context: NetlinkContext): void {
  const start = body.start + NETFILTER_HEADER;
  // The name comes first: what stands behind a damaged attribute does not matter here.
  indexAttributes(attributes, body.bytes, start, body.end, context.littleEndian);
  const family = familyOfNumber(body.bytes[body.start] as number);
  const table = textAttribute(attributes, TABLE);
  if (family === null || table === null || context.changedTables.size >= MOST_TABLES) return;
  context.changedTables.add(`${family} ${table}`);
}

/** `body` starts behind the netlink header. Never throws. */
export function decodeGeneration(
  body: Slice,
  time: Time | null,
  context: NetlinkContext,
): RulesChangedEvent | UnparsedEvent {
  const common = { origin: ORIGIN, time, netns: context.netns } as const;
  const start = body.start + NETFILTER_HEADER;
  const tables = [...context.changedTables];
  context.changedTables.clear();
  if (start > body.end || !indexAttributes(attributes, body.bytes, start, body.end, context.littleEndian)) {
    return { kind: "unparsed", ...common, reason: "nft generation message: it is not whole" };
  }
  return {
    kind: "rules-changed",
    ...common,
    generation: u32Attribute(attributes, NFTA_GEN_ID),
    pid: u32Attribute(attributes, NFTA_GEN_PROC_PID),
    process: textAttribute(attributes, NFTA_GEN_PROC_NAME),
    tables,
  };
}

const ORIGIN = { input: "nftables", line: null, raw: "" } as const;
