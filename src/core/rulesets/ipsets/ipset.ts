/** An ipset as it was listed: its type, and its elements in parts that can be compared. */

export interface Ipset {
  readonly name: string;
  /** `hash:net,port`; null where only elements were listed, as of a file that was cut. */
  readonly type: string | null;
  readonly family: "ip" | "ip6" | null;
  /** What a packet's address is cut to before it is looked for; null: it is taken whole. */
  readonly mask: bigint | null;
  /** Of `hash:ip,mark`. */
  readonly markMask: number;
  readonly elements: readonly IpsetElement[];
  /** Lines of it that were not understood: it may have more elements. */
  readonly unreadCount: number;
}

export interface IpsetElement {
  /** As it was listed, for a person: `10.0.0.0/8,tcp:80`. */
  readonly text: string;
  /** Between the commas; of a `list:set`, a set's name. */
  readonly parts: readonly string[];
  /** An exception: a packet that it fits best is not in the set. */
  readonly isExcepted: boolean;
  /** The interface is the beginning of a name. */
  readonly isWildcard: boolean;
  /** Seconds that it had left when it was listed; null: it stays. */
  readonly timeout: number | null;
}
