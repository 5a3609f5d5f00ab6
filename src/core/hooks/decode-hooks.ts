/**
 * The kernel's list of hook functions, as nfnetlink hands it out: `net/netfilter/nfnetlink_hook.c`, Linux 5.14 and later where
 * CONFIG_NETFILTER_NETLINK_HOOK is set.
 *
 * A message names the family it was asked for, so a chain of an inet table comes once under ip and once under ip6, with inet in
 * its description. bpf programs (6.4) and flowtables (6.17) are described by other kinds of the same nest; a kind that is not
 * known leaves a function without an owner.
 */
import {
  emptyIndex,
  hostU16,
  hostU32,
  indexAttributes,
  sliceAttribute,
  textAttribute,
  u8Attribute,
  u32Attribute,
} from "../events/decode/netlink/attributes.ts";
import { familyOfNumber, type PacketFamily } from "../netfilter/family.ts";
import { HOOKS_BY_NUMBER } from "../netfilter/hook-numbers.ts";
import type { Slice } from "../packets/decode/bytes.ts";
import type { HookFunction, HookOwner } from "./hook-function.ts";

/** `include/uapi/linux/netfilter/nfnetlink_hook.h` */
const NFNL_SUBSYS_HOOK = 12;
const NFNLA_HOOK_HOOKNUM = 1;
const NFNLA_HOOK_PRIORITY = 2;
const NFNLA_HOOK_FUNCTION_NAME = 4;
const NFNLA_HOOK_MODULE_NAME = 5;
const NFNLA_HOOK_CHAIN_INFO = 6;
const NFNLA_HOOK_INFO_DESC = 1;
const NFNLA_HOOK_INFO_TYPE = 2;
const TYPE_NFTABLES = 1;
const TYPE_BPF = 2;
const TYPE_FLOWTABLE = 3;
const NFNLA_CHAIN_TABLE = 1;
const NFNLA_CHAIN_FAMILY = 2;
const NFNLA_CHAIN_NAME = 3;
const NFNLA_HOOK_BPF_ID = 1;

const MESSAGE_HEADER = 16;
/** `struct nfgenmsg` */
const FAMILY_HEADER = 4;

const message = emptyIndex();
const nest = emptyIndex();

/**
 * The functions in one datagram, in the kernel's order. `device` is the interface that was asked about, which the answer does
 * not repeat. Messages of other kinds, and damaged ones, give nothing.
 */
export function decodeHookFunctions(
  datagram: Slice,
  device: string | null,
  littleEndian: boolean,
): readonly HookFunction[] {
  const { bytes, end } = datagram;
  const functions: HookFunction[] = [];
  let at = datagram.start;
  while (at + MESSAGE_HEADER <= end) {
    const length = hostU32(bytes, at, littleEndian);
    if (length < MESSAGE_HEADER || at + length > end) break;
    const isHook = hostU16(bytes, at + 4, littleEndian) >> 8 === NFNL_SUBSYS_HOOK;
    if (isHook && length >= MESSAGE_HEADER + FAMILY_HEADER) {
      const read = decodeOne({ bytes, start: at + MESSAGE_HEADER, end: at + length }, device, littleEndian);
      if (read !== null) functions.push(read);
    }
    at += (length + 3) & ~3;
  }
  return functions;
}

function decodeOne(body: Slice, device: string | null, littleEndian: boolean): HookFunction | null {
  const { bytes, start, end } = body;
  const family = packetFamily(bytes[start] as number);
  if (family === null || !indexAttributes(message, bytes, start + FAMILY_HEADER, end, littleEndian))
    return null;
  const number = u32Attribute(message, NFNLA_HOOK_HOOKNUM);
  const priority = u32Attribute(message, NFNLA_HOOK_PRIORITY);
  const hook = number === null ? undefined : HOOKS_BY_NUMBER[family][number];
  if (hook === undefined || priority === null) return null;
  return {
    family,
    hook,
    device,
    priority: priority | 0,
    name: textAttribute(message, NFNLA_HOOK_FUNCTION_NAME),
    module: textAttribute(message, NFNLA_HOOK_MODULE_NAME),
    owner: ownerOf(sliceAttribute(message, NFNLA_HOOK_CHAIN_INFO), littleEndian),
  };
}

function ownerOf(info: Slice | null, littleEndian: boolean): HookOwner | null {
  if (info === null || !indexAttributes(nest, info.bytes, info.start, info.end, littleEndian)) return null;
  const type = u32Attribute(nest, NFNLA_HOOK_INFO_TYPE);
  const description = sliceAttribute(nest, NFNLA_HOOK_INFO_DESC);
  if (description === null) return null;
  if (!indexAttributes(nest, description.bytes, description.start, description.end, littleEndian))
    return null;
  if (type === TYPE_BPF) {
    const program = u32Attribute(nest, NFNLA_HOOK_BPF_ID);
    return program === null ? null : { kind: "bpf", program };
  }
  if (type !== TYPE_NFTABLES && type !== TYPE_FLOWTABLE) return null;
  const family = familyOfNumber(u8Attribute(nest, NFNLA_CHAIN_FAMILY) ?? -1);
  const table = textAttribute(nest, NFNLA_CHAIN_TABLE);
  const name = textAttribute(nest, NFNLA_CHAIN_NAME);
  if (family === null || table === null || name === null) return null;
  return type === TYPE_NFTABLES
    ? { kind: "chain", family, table, chain: name }
    : { kind: "flowtable", family, table, name };
}

function packetFamily(nfproto: number): PacketFamily | null {
  const family = familyOfNumber(nfproto);
  return family === "inet" ? null : family;
}
