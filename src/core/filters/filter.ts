/**
 * The filter language's tree: pcap-filter's words, as far as they make sense for packets at a firewall.
 *
 * One tree has several readers: the predicate that chooses recorded journeys, and the rules that select packets in the
 * kernel. Each says so when it cannot express a part; none widens or narrows in silence.
 *
 * Words mean what libpcap 1.10 compiles them to for packets that begin at the network header (`tcpdump -y RAW -d`),
 * so one filter chooses the same packets in tcpdump, in `iptables -m bpf`, in nft and, as far as it tells, in a
 * recording. That includes libpcap's limits for IPv6, which people tend not to expect:
 * - a protocol is the first header after the IPv6 header, or the one after it if the first is a fragment header; what
 *   stands behind other extension headers is not seen (`tcp` misses TCP behind hop-by-hop options, `icmp6` misses MLD);
 * - ports and ICMPv6 types are only seen right after the IPv6 header, so no IPv6 fragment has any;
 * - `tcp[…]` is IPv4 only.
 *
 * One thing is narrower than on an Ethernet capture: `host A` and `net A` are about IP packets, never about the
 * addresses inside ARP, which does not pass IP hooks. In tables of the arp family alone they are about those.
 */

export type Filter =
  | { readonly kind: "and" | "or"; readonly left: Filter; readonly right: Filter }
  | { readonly kind: "not"; readonly operand: Filter }
  | Primitive;

export type Primitive =
  /** `ip`, `ip6`, `arp` */
  | { readonly kind: "family"; readonly family: "ip" | "ip6" | "arp" }
  /** `udp`, `tcp`, `icmp`, `proto 47`; `number` is IP's protocol number. `family` where the words imply one (`icmp6`). */
  | { readonly kind: "protocol"; readonly number: number; readonly family: "ip" | "ip6" | null }
  /** `host A`, `net A/N`: `prefix` 32 or 128 for a host. `address` is canonical and has no bits behind the prefix. */
  | {
      readonly kind: "address";
      readonly direction: Direction;
      readonly family: "ip" | "ip6";
      readonly address: string;
      readonly prefix: number;
    }
  /**
   * `port N`, `portrange A-B`; `from` ≤ `to`. `protocol` null means TCP, UDP or SCTP, as pcap-filter has it. A fragment
   * behind the first has no ports.
   */
  | {
      readonly kind: "port";
      readonly direction: Direction;
      readonly protocol: PortProtocol | null;
      readonly from: number;
      readonly to: number;
    }
  /** `less N` (≤), `greater N` (≥), `len OP N`: bytes of the packet from its IP header on, without a link header. */
  | {
      readonly kind: "length";
      readonly operator: Comparison;
      readonly bytes: number;
    }
  /** `tcp[tcpflags] & (tcp-syn|tcp-ack) != 0`: IPv4 only. Mask 255 where the text has none. */
  | {
      readonly kind: "tcp-flags";
      readonly mask: number;
      readonly operator: "=" | "!=";
      readonly value: number;
    }
  /** `icmp[icmptype] = icmp-echo` */
  | {
      readonly kind: "icmp-type";
      readonly family: "ip" | "ip6";
      readonly operator: "=" | "!=";
      readonly type: number;
    }
  /** `icmp[icmpcode] = 4` */
  | {
      readonly kind: "icmp-code";
      readonly family: "ip" | "ip6";
      readonly operator: "=" | "!=";
      readonly code: number;
    }
  /** `on IFACE`: came in by it, or goes out by it. `inbound`: came in by some interface; `outbound`: was made here. */
  | { readonly kind: "interface"; readonly name: string }
  | { readonly kind: "way"; readonly way: "inbound" | "outbound" };

export type Comparison = "<" | "<=" | "=" | "!=" | ">=" | ">";

/** The protocols whose ports the language knows: TCP, UDP, SCTP. */
export type PortProtocol = 6 | 17 | 132;

export const PORT_PROTOCOLS: readonly PortProtocol[] = [6, 17, 132];

export type Direction = "src" | "dst" | "either" | "both";

/** Why a filter's text cannot be used. */
export interface FilterProblem {
  readonly message: string;
  /** 0-based offset of the offending word in the text; null when it is the whole. */
  readonly at: number | null;
  /** What to write instead. */
  readonly hint: string;
}
