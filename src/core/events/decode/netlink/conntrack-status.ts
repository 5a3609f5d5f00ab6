/** `enum ip_conntrack_status`, in nft's words (`src/ct.c`, `ct_status_tbl`) as far as it has them. */

const STATUS_BITS: readonly (readonly [bit: number, word: string])[] = [
  [0x1, "expected"],
  [0x2, "seen-reply"],
  [0x4, "assured"],
  [0x8, "confirmed"],
  [0x10, "snat"],
  [0x20, "dnat"],
  [0x40, "seq-adjust"],
  [0x80, "snat-done"],
  [0x100, "dnat-done"],
  [0x200, "dying"],
  [0x400, "fixed-timeout"],
  [0x800, "template"],
  [0x2000, "helper"],
  [0x4000, "offload"],
  [0x8000, "hw-offload"],
];

/**
 * No connection's: what `ct zone set`, or `-j CT`, hangs on a packet before conntrack has looked at it. Its id, direction and state are the
 * template's, and all packets of the rule share it (`nf_ct_tmpl_alloc`).
 */
export function isTemplate(bits: number | null): boolean {
  return bits !== null && (bits & 0x800) !== 0;
}

const known = new Map<number, readonly string[]>();
const MOST_KNOWN = 1024;

/** The words for the bits of a connection's status. A host uses few combinations, so each list is made once. */
export function statusWords(bits: number): readonly string[] {
  const before = known.get(bits);
  if (before !== undefined) return before;
  const words = STATUS_BITS.filter(([bit]) => (bits & bit) !== 0).map(([, word]) => word);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(bits, words);
  return words;
}
