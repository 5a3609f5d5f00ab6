/**
 * The nft tables there are and which of them are dormant, as nf_tables tells it (NFTA_TABLE_FLAGS): a dormant one's chains are
 * listed and on no hook.
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
import { type Family, familyOfNumber } from "../netfilter/family.ts";
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

export interface ListedTable {
  readonly family: Family;
  readonly name: string;
  readonly isDormant: boolean;
}

/** The dormant tables in one datagram, as `family name`. */
export function decodeDormantTables(datagram: Slice, littleEndian: boolean): readonly string[] {
  return decodeTables(datagram, littleEndian)
    .filter(({ isDormant }) => isDormant)
    .map(({ family, name }) => `${family} ${name}`);
}

/** The tables in one datagram. Messages of other kinds, and damaged ones, give nothing. */
export function decodeTables(datagram: Slice, littleEndian: boolean): readonly ListedTable[] {
  const { bytes, end } = datagram;
  const tables: ListedTable[] = [];
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
      if (family !== null && name !== null)
        tables.push({ family, name, isDormant: (flags & NFT_TABLE_F_DORMANT) !== 0 });
    }
    at += (length + 3) & ~3;
  }
  return tables;
}
