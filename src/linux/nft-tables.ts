/** Asking nf_tables about its tables, without its tool. */
import { decodeDormantTables } from "../core/hooks/decode-tables.ts";
import { IS_LITTLE_ENDIAN, SystemCallError } from "./libc.ts";
import { dump } from "./netlink-dump.ts";
import { closeNetlink, NETLINK_NETFILTER, openNetlink } from "./netlink-socket.ts";
import { inNetns } from "./netns.ts";

/** `(NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE` */
const GET_TABLE = 0x0a01;

/** The dormant tables of a namespace (null: our own), as `family name`; none where nf_tables is not there. */
export function readDormantTables(netns: string | null): ReadonlySet<string> {
  return inNetns(netns, () => {
    const fd = openNetlink(NETLINK_NETFILTER);
    try {
      const datagrams = dump(fd, GET_TABLE, Buffer.alloc(4));
      return new Set(
        datagrams.flatMap((bytes) =>
          decodeDormantTables({ bytes, start: 0, end: bytes.length }, IS_LITTLE_ENDIAN),
        ),
      );
    } catch (error) {
      if (error instanceof SystemCallError && (error.code === "EINVAL" || error.code === "EOPNOTSUPP"))
        return new Set();
      throw error;
    } finally {
      closeNetlink(fd);
    }
  });
}
