/**
 * The kernel's own list of what is hung on its hooks (nfnetlink_hook, Linux 5.14 and later), which `nft list hooks` prints.
 *
 * It is an option of the kernel (CONFIG_NETFILTER_NETLINK_HOOK) that many are built without; one that has it as a module loads
 * it when it is first asked, which is all that asking changes. Needs CAP_NET_ADMIN in the namespace.
 */
import { ok, type Result, refused } from "../core/base/result.ts";
import { decodeHookFunctions } from "../core/hooks/decode-hooks.ts";
import type { HookFunction } from "../core/hooks/hook-function.ts";
import type { PacketFamily } from "../core/netfilter/family.ts";
import { HOOKS_BY_NUMBER, NUMBER_OF_FAMILY } from "../core/netfilter/hook-numbers.ts";
import { interfaceNames } from "./interfaces.ts";
import { IS_LITTLE_ENDIAN, SystemCallError } from "./libc.ts";
import { attribute } from "./netlink.ts";
import { dump } from "./netlink-dump.ts";
import { closeNetlink, NETLINK_NETFILTER, openNetlink } from "./netlink-socket.ts";
import { inNetns } from "./netns.ts";
import { type HostRefusal, hostRefusal } from "./refusal.ts";

const NFNL_SUBSYS_HOOK = 12;
const NFNL_MSG_HOOK_GET = 0;
const NFNLA_HOOK_HOOKNUM = 1;
const NFNLA_HOOK_DEV = 3;

const FAMILIES: readonly PacketFamily[] = ["ip", "ip6", "arp", "bridge"];

/**
 * Everything on every hook of a namespace (null: our own), in the order in which the kernel calls it. Refused with
 * `kernel-lacks` where the kernel does not hand out the list, and `not-permitted`.
 */
export function readHookFunctions(netns: string | null): Result<readonly HookFunction[], HostRefusal> {
  try {
    return inNetns(netns, readAll);
  } catch (error) {
    if (error instanceof SystemCallError && error.code === "EPERM") {
      return refused(
        hostRefusal(
          "not-permitted",
          "the kernel's list of hooks: EPERM",
          "run it as root, or with CAP_NET_ADMIN",
        ),
      );
    }
    throw error;
  }
}

function readAll(): Result<readonly HookFunction[], HostRefusal> {
  const fd = openNetlink(NETLINK_NETFILTER);
  try {
    if (!hasHookList(fd)) {
      return refused(
        hostRefusal(
          "kernel-lacks",
          "this kernel does not list its hooks (CONFIG_NETFILTER_NETLINK_HOOK, Linux 5.14 and later)",
          "the order is worked out from the rules, and functions that no rule asks for are not seen",
        ),
      );
    }
    const functions: HookFunction[] = [];
    for (const family of FAMILIES) {
      for (const number of HOOKS_BY_NUMBER[family].keys())
        functions.push(...readOne(fd, family, number, null));
    }
    for (const device of interfaceNames()) {
      for (const number of HOOKS_BY_NUMBER.netdev.keys())
        functions.push(...readOne(fd, "netdev", number, device));
    }
    return ok(functions);
  } finally {
    closeNetlink(fd);
  }
}

/** A subsystem that is not there is EINVAL (`nfnetlink_rcv_msg`), which nothing else makes of this question. */
function hasHookList(fd: number): boolean {
  try {
    ask(fd, "ip", 0, null);
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && error.code === "EINVAL") return false;
    throw error;
  }
}

function readOne(
  fd: number,
  family: PacketFamily,
  number: number,
  device: string | null,
): readonly HookFunction[] {
  try {
    return ask(fd, family, number, device).flatMap((datagram) =>
      decodeHookFunctions({ bytes: datagram, start: 0, end: datagram.length }, device, IS_LITTLE_ENDIAN),
    );
  } catch (error) {
    // A kernel without this family or without egress; an interface that has just gone.
    if (error instanceof SystemCallError && MEANS_NONE.has(error.code)) return [];
    throw error;
  }
}

const MEANS_NONE: ReadonlySet<string> = new Set([
  "EPROTONOSUPPORT",
  "EOPNOTSUPP",
  "ENOTSUP",
  "ENODEV",
  "EINVAL",
]);

function ask(fd: number, family: PacketFamily, number: number, device: string | null): Buffer[] {
  const hook = Buffer.alloc(4);
  hook.writeUInt32BE(number);
  const parts = [Buffer.from([NUMBER_OF_FAMILY[family], 0, 0, 0]), attribute(NFNLA_HOOK_HOOKNUM, hook)];
  if (device !== null) parts.push(attribute(NFNLA_HOOK_DEV, Buffer.from(`${device}\0`)));
  return dump(fd, (NFNL_SUBSYS_HOOK << 8) | NFNL_MSG_HOOK_GET, Buffer.concat(parts));
}
