/** Asking nf_tables about its tables, without its tool. */
import { decodeTables, type ListedTable } from "../core/hooks/decode-tables.ts";
import { isOwnTable } from "../core/plans/own-table.ts";
import { IS_LITTLE_ENDIAN, SystemCallError } from "./libc.ts";
import { dump } from "./netlink-dump.ts";
import { closeNetlink, NETLINK_NETFILTER, openNetlink } from "./netlink-socket.ts";
import { inNetns } from "./netns.ts";

/** `(NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE` */
const GET_TABLE = 0x0a01;

/** The dormant tables of a namespace (null: our own), as `family name`; none where nf_tables is not there. */
export function readDormantTables(netns: string | null): ReadonlySet<string> {
  const dormant = readTables(netns).filter(({ isDormant }) => isDormant);
  return new Set(dormant.map(({ family, name }) => `${family} ${name}`));
}

/** Whether a namespace has nft tables that are not nfpath's. */
export function hasTablesOfOthers(netns: string | null): boolean {
  return readTables(netns).some(({ name }) => !isOwnTable(name));
}

/** Whether the kernel answers for nf_tables, which loads it where it is a module; null where that may not be asked. */
export function hasNfTables(): boolean | null {
  try {
    return listTables(null) !== null;
  } catch (error) {
    if (error instanceof SystemCallError) return null;
    throw error;
  }
}

function readTables(netns: string | null): readonly ListedTable[] {
  return listTables(netns) ?? [];
}

/** Null where nf_tables is not there. */
function listTables(netns: string | null): readonly ListedTable[] | null {
  return inNetns(netns, () => {
    const fd = openNetlink(NETLINK_NETFILTER);
    try {
      return dump(fd, GET_TABLE, Buffer.alloc(4)).flatMap((bytes) =>
        decodeTables({ bytes, start: 0, end: bytes.length }, IS_LITTLE_ENDIAN),
      );
    } catch (error) {
      if (error instanceof SystemCallError && (error.code === "EINVAL" || error.code === "EOPNOTSUPP"))
        return null;
      throw error;
    } finally {
      closeNetlink(fd);
    }
  });
}
