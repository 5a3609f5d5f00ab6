/**
 * Which nft tables are dormant, as nf_tables tells it (NFTA_TABLE_FLAGS): their chains are listed and on no hook.
 *
 * Asked of the kernel because nft 1.0.6 prints a table's flags in JSON as whatever text lies behind the right one.
 */
import {
  emptyIndex,
  hostU16,
  hostU32,
  indexAttributes,
  textAttribute,
  u32Attribute,
} from "../events/decode/netlink/attributes.ts";
import { familyOfNumber } from "../netfilter/family.ts";
import type { Slice } from "../packets/decode/bytes.ts";

/** `(NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWTABLE` */
const NEW_TABLE = 0x0a00;
const NFTA_TABLE_NAME = 1;
const NFTA_TABLE_FLAGS = 2;
const NFT_TABLE_F_DORMANT = 1;

const MESSAGE_HEADER = 16;
/** `struct nfgenmsg` */
const FAMILY_HEADER = 4;

const attributes = emptyIndex();

/** The dormant tables in one datagram, as `family name`. Messages of other kinds, and damaged ones, give nothing. */
export function decodeDormantTables(datagram: Slice, littleEndian: boolean): readonly string[] {
  const { bytes, end } = datagram;
  const tables: string[] = [];
  let at = datagram.start;
  while (at + MESSAGE_HEADER + FAMILY_HEADER <= end) {
    const length = hostU32(bytes, at, littleEndian);
    const start = at + MESSAGE_HEADER + FAMILY_HEADER;
    if (length < MESSAGE_HEADER || at + length > end) break;
    if (
      hostU16(bytes, at + 4, littleEndian) === NEW_TABLE &&
      start <= at + length &&
      indexAttributes(attributes, bytes, start, at + length, littleEndian)
    ) {
      const family = familyOfNumber(bytes[at + MESSAGE_HEADER] as number);
      const name = textAttribute(attributes, NFTA_TABLE_NAME);
      const flags = u32Attribute(attributes, NFTA_TABLE_FLAGS) ?? 0;
      if (family !== null && name !== null && (flags & NFT_TABLE_F_DORMANT) !== 0)
        tables.push(`${family} ${name}`);
    }
    at += (length + 3) & ~3;
  }
  return tables;
}
