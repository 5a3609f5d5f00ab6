/**
 * Holding an nfnetlink_log group: `net/netfilter/nfnetlink_log.c`, `nfulnl_recv_config`.
 *
 * The group is bound without binding a protocol family to nfnetlink_log (`NFULNL_CFG_CMD_PF_BIND`): that older command
 * changes the host's logger and leaves it so. A group has one holder; the kernel refuses a second one with EPERM.
 */
import { hasConntrack } from "./conntrack-socket.ts";
import { SystemCallError } from "./libc.ts";
import { attribute } from "./netlink.ts";
import { request } from "./netlink-socket.ts";

/** `(NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG` */
const CONFIG = 0x0401;
const NFULA_CFG_CMD = 1;
const NFULA_CFG_MODE = 2;
const NFULA_CFG_NLBUFSIZ = 3;
const NFULA_CFG_QTHRESH = 5;
const NFULA_CFG_FLAGS = 6;
const NFULNL_CFG_F_CONNTRACK = 4;
const NFULNL_CFG_CMD_BIND = 1;
const NFULNL_COPY_PACKET = 2;

/**
 * Makes `fd` the reader of `group`, with at most `copyBytes` of each packet. Throws `SystemCallError`: EPERM or EBUSY when
 * somebody else holds the group.
 *
 * The queue threshold is one: the kernel would otherwise hold messages back to send several at once, and their place among
 * nft's messages of the same packet would be lost.
 */
export function bindNflogGroup(
  fd: number,
  group: number,
  copyBytes: number,
  others: (datagram: Buffer) => void,
): void {
  const header = Buffer.from([0, 0, group >> 8, group & 0xff]);
  const mode = Buffer.alloc(6);
  mode.writeUInt32BE(copyBytes, 0);
  mode.writeUInt8(NFULNL_COPY_PACKET, 4);
  // The kernel allocates this much (a page unless told) for each message, or what the message needs if that is more.
  const bufferSize = Buffer.alloc(4);
  bufferSize.writeUInt32BE(256, 0);
  const threshold = Buffer.alloc(4);
  threshold.writeUInt32BE(1, 0);
  const settings = [
    attribute(NFULA_CFG_CMD, Buffer.from([NFULNL_CFG_CMD_BIND])),
    attribute(NFULA_CFG_MODE, mode),
    attribute(NFULA_CFG_NLBUFSIZ, bufferSize),
    attribute(NFULA_CFG_QTHRESH, threshold),
  ];
  for (const [i, setting] of settings.entries()) {
    request(fd, CONFIG, i + 1, Buffer.concat([header, setting]), others);
  }
  if (hasConntrack()) askForConntrack(fd, header, settings.length + 1, others);
}

/**
 * Has the kernel attach each packet's connection. It can where it is built with CONFIG_NETFILTER_NETLINK_GLUE_CT, as those
 * of distributions are, and loads nf_conntrack_netlink for it; where it cannot, messages come without.
 */
function askForConntrack(
  fd: number,
  header: Buffer,
  sequence: number,
  others: (datagram: Buffer) => void,
): void {
  const flags = Buffer.alloc(2);
  flags.writeUInt16BE(NFULNL_CFG_F_CONNTRACK, 0);
  try {
    request(fd, CONFIG, sequence, Buffer.concat([header, attribute(NFULA_CFG_FLAGS, flags)]), others);
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code !== "EOPNOTSUPP") throw error;
  }
}
