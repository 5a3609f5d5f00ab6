/** What the decoders of netlink messages need besides the message. */

export interface NetlinkContext {
  /** Name of the namespace the socket is in; null for the one nfpath runs in. */
  readonly netns: string | null;
  /** Name of an interface of that namespace; null when nobody knows it. */
  readonly names: (index: number) => string | null;
  /** Byte order of the host that the messages come from. */
  readonly littleEndian: boolean;
  /**
   * Chains that a jump or goto has led to so far, as `family table chain`. Since the kernel does not say whether a chain
   * that ended was a base chain, and never jumps to one, this is how `end` is told from `return`.
   */
  readonly jumpedTo: Set<string>;
  /** Tables that a transaction under way has announced changes of, as `family table`: see `generation.ts`. */
  readonly changedTables: Set<string>;
}

export function netlinkContext(
  netns: string | null,
  names: (index: number) => string | null,
  littleEndian: boolean,
): NetlinkContext {
  return { netns, names, littleEndian, jumpedTo: new Set(), changedTables: new Set() };
}

/** The name behind an interface index; `#7` for one without a known name, null for no interface. */
export function interfaceName(context: NetlinkContext, index: number | null): string | null {
  if (index === null || index === 0) return null;
  return context.names(index) ?? `#${index}`;
}
