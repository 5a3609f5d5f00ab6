/**
 * The `KEY=value` record of a packet, as the kernel's log and tools that imitate it print it.
 *
 * Linux writes it in `net/netfilter/nf_log_syslog.c` (before 5.13 `nf_log_ipv4.c` and `nf_log_ipv6.c`, before 3.17
 * `xt_LOG.c`, before that `ipt_LOG.c`): interfaces, link header, network header, transport header, socket owner, mark. Every token
 * ends in a space, so a genuine record ends in one. Some words come twice with two meanings: LEN of IP and of UDP, ID
 * of IP and of an ICMP echo, ACK as a number and as a flag.
 *
 * This runs once for each line of logs that have millions: it walks character codes, makes no substrings but the
 * values themselves, and is used again for the next record.
 */
import type { PacketFamily } from "../../netfilter/family.ts";
import { type Packet, TCP_FLAG_BITS } from "../../packets/packet.ts";
import type { Sighting } from "../event.ts";
import { type FieldValues, readMac, type WordValue } from "./field-values.ts";
import {
  K_ACK,
  K_AE,
  K_ARP,
  K_CODE,
  K_CWR,
  K_DF,
  K_DPORT,
  K_DPT,
  K_DST,
  K_ECE,
  K_FIN,
  K_FLOWLBL,
  K_FRAG,
  K_GID,
  K_HOPLIMIT,
  K_ID,
  K_IN,
  K_INCOMPLETE,
  K_IPDST,
  K_IPSRC,
  K_LEN,
  K_LL,
  K_MAC,
  K_MACDST,
  K_MACPROTO,
  K_MACSRC,
  K_MARK,
  K_MF,
  K_MTU,
  K_OPT,
  K_OUT,
  K_PHYSIN,
  K_PHYSOUT,
  K_PREC,
  K_PROTO,
  K_PSH,
  K_RST,
  K_SEQ,
  K_SPORT,
  K_SPT,
  K_SRC,
  K_SYN,
  K_TC,
  K_TOS,
  K_TRUNCATED,
  K_TTL,
  K_TYPE,
  K_UID,
  K_URG,
  K_URGP,
  K_WINDOW,
  nextKey,
} from "./record-keys.ts";
import type { StretchCache } from "./stretch-cache.ts";

/** Whose habits a record has: the kernel's log, or `xtables-monitor`'s. */
export type RecordStyle = "log" | "monitor";

/** Bit of each value that a record can hold once: a second one belongs to another record. */
const IN = 1 << 0;
const OUT = 1 << 1;
const PHYSIN = 1 << 2;
const PHYSOUT = 1 << 3;
const MAC = 1 << 4;
const SRC = 1 << 5;
const DST = 1 << 6;
const LEN = 1 << 7;
const TOS = 1 << 8;
const PREC = 1 << 9;
const TTL = 1 << 10;
const ID = 1 << 11;
const PROTO = 1 << 12;
const SPT = 1 << 13;
const DPT = 1 << 14;
const UDP_LEN = 1 << 15;
const SEQ = 1 << 16;
const ACK = 1 << 17;
const WINDOW = 1 << 18;
const URGP = 1 << 19;
const TYPE = 1 << 20;
const CODE = 1 << 21;
const ECHO_ID = 1 << 22;
const MTU = 1 << 23;
const UID = 1 << 24;
const GID = 1 << 25;
const MARK = 1 << 26;
const LINK = 1 << 28;
const FLOW = 1 << 27;

/** What makes a record more than a sentence with an equals sign in it. */
const EVIDENCE = IN | OUT | PHYSIN | PHYSOUT | LINK | SRC | DST | PROTO | LEN;

const SPACE = 32;
const EQUALS = 61;
const COLON = 58;
const OPEN = 91;
const CLOSE = 93;

/** One record, read by `scan` and valid until the next `scan`. */
export class PacketFields {
  readonly #values: FieldValues;
  readonly #style: RecordStyle;
  /** For the header that an ICMP error quotes; made when first needed. */
  #inner: PacketFields | null = null;

  /** Behind the last token of the record: what follows is prose, or the next record's prefix. */
  end = 0;
  /** Whether the scan stopped at a token that a record holds once and this one had: it belongs to another. */
  isFollowed = false;
  /** Whether the last token is a value with nothing behind it: it may be the beginning of a longer one. */
  endsInValue = false;
  #lastToken = 0;
  /** IP's LEN, −1 where not told. `xtables-monitor` has a reason to put it right. */
  length = -1;
  /** Whether an address or a word of IPv6 was seen. */
  isIpv6 = false;

  /** The record that was read last, empty where it cannot be compared with the next, and where it stands in its line. */
  #record = "";
  #recordAt = 0;
  /** Undefined until it is asked for. */
  #sighting: Sighting | null | undefined = undefined;

  #seen = 0;
  #open = false;
  #at = 0;

  #in: string | null = null;
  #out: string | null = null;
  #physIn: string | null = null;
  #physOut: string | null = null;
  #mark = -1;
  #uid = -1;
  #gid = -1;
  #link: Packet["link"] = null;
  #macSource: string | null = null;
  #macDestination: string | null = null;
  #etherType = -1;
  #isArp = false;
  #src: string | null = null;
  #dst: string | null = null;
  #tos = -1;
  #precedence = -1;
  #ttl = -1;
  #ipId = -1;
  #dontFragment = false;
  #moreFragments = false;
  #fragmentOffset = 0;
  #incomplete = false;
  #truncated = false;
  #protocol: string | null = null;
  #sport = -1;
  #dport = -1;
  #udpLength = -1;
  #sequence = -1;
  #ack = -1;
  #window = -1;
  #flags = 0;
  #type = -1;
  #code = -1;
  #echoId = -1;
  #mtu = -1;
  #quoted: Packet | null = null;

  constructor(values: FieldValues, style: RecordStyle = "log") {
    this.#values = values;
    this.#style = style;
  }

  /** Whether anything of a packet was found. */
  get isEmpty(): boolean {
    return (this.#seen & EVIDENCE) === 0 && this.#quoted === null && !this.#isArp && !this.#truncated;
  }

  /** Whether the record says all that the kernel says of such a packet. */
  get isComplete(): boolean {
    if (this.#open || this.#truncated) return this.#truncated;
    if ((this.#seen & UID) !== 0 && (this.#seen & GID) === 0) return false;
    if (this.#isArp) return true;
    if (this.#style === "monitor") return (this.#seen & ((this.#seen & SPT) !== 0 ? DPT : ID | FLOW)) !== 0;
    if ((this.#seen & PROTO) === 0) return false;
    if (this.#incomplete || this.#fragmentOffset > 0) return true;
    switch (this.#protocol) {
      case "tcp":
        return (this.#seen & URGP) !== 0;
      case "udp":
      case "udplite":
        return (this.#seen & UDP_LEN) !== 0;
      case "icmp":
        return (this.#seen & CODE) !== 0 && this.#isEcho(8, 0) && this.#isQuoting(3, 4, 5, 11);
      case "icmpv6":
        return (this.#seen & CODE) !== 0 && this.#isEcho(128, 129) && this.#isQuoting(1, 2, 3, 4);
      case null:
        return !this.endsInValue;
      default:
        return true;
    }
  }

  #isEcho(request: number, reply: number): boolean {
    return this.#type === request || this.#type === reply ? (this.#seen & SEQ) !== 0 : true;
  }

  #isQuoting(a: number, b: number, c: number, d: number): boolean {
    const type = this.#type;
    return type === a || type === b || type === c || type === d ? this.#quoted !== null : true;
  }

  /** Reads the record in `text` from `from`, at most to `to`. */
  scan(text: string, from: number, to: number): void {
    if (this.#readBefore(text, from, to)) return;
    this.#clear();
    this.#read(text, from, to, false);
  }

  /**
   * A packet's lines of one hook are alike but for their heads: what the line before said is not read again, and its
   * sighting serves for both.
   */
  #readBefore(text: string, from: number, to: number): boolean {
    const record = to === text.length && this.#style === "log" ? text.slice(from) : "";
    if (record !== "" && record === this.#record) {
      const shift = from - this.#recordAt;
      this.end += shift;
      this.#lastToken += shift;
      this.#recordAt = from;
      return true;
    }
    this.#record = record;
    this.#recordAt = from;
    this.#sighting = undefined;
    return false;
  }

  /**
   * Leaves out the last value, which may have been cut: `DPT=10` of `DPT=10370`. For a record that ended too soon;
   * `from` as given to `scan`.
   */
  dropLastValue(text: string, from: number): void {
    this.scan(text, from, this.#lastToken);
  }

  /** What was read, with the circumstances; null where nothing was. */
  sighting(): Sighting | null {
    if (this.#sighting !== undefined && this.#style === "log") return this.#sighting;
    this.#sighting = this.isEmpty ? null : this.#newSighting();
    return this.#sighting;
  }

  #newSighting(): Sighting {
    return {
      packet: this.packet(),
      in: this.#in,
      out: this.#out,
      physIn: this.#physIn,
      physOut: this.#physOut,
      mark: known(this.#mark),
      uid: known(this.#uid),
      gid: known(this.#gid),
    };
  }

  packet(): Packet {
    const isIpv4 = !this.isIpv6 && !this.#isArp;
    // DF, MF and FRAG are printed only when set, so their absence tells something only behind their place.
    const isPastFragment = (this.#seen & (this.#style === "monitor" ? SPT : PROTO)) !== 0;
    // The kernel prints no ports of a later fragment, `xtables-monitor` prints its payload as ports.
    const isLaterFragment = this.#fragmentOffset > 0;
    // `xtables-monitor` names no protocol, but only TCP has flags.
    const protocol = this.#style === "monitor" && this.#flags !== 0 ? "tcp" : this.#protocol;
    return {
      family: this.#family(),
      src: this.#src,
      dst: this.#dst,
      protocol,
      sport: isLaterFragment ? null : known(this.#sport),
      dport: isLaterFragment ? null : known(this.#dport),
      length: known(this.length),
      ipId: isIpv4 ? known(this.#ipId) : null,
      ttl: known(this.#ttl),
      tos: this.#typeOfService(),
      dontFragment: isIpv4 && (this.#dontFragment || isPastFragment) ? this.#dontFragment : null,
      moreFragments: this.#moreFragments || isPastFragment ? this.#moreFragments : null,
      fragmentOffset: this.#fragmentOffset > 0 || isPastFragment ? this.#fragmentOffset : null,
      tcp: protocol === "tcp" ? this.#tcp() : null,
      icmp: protocol === "icmp" || protocol === "icmpv6" ? this.#icmp() : null,
      udpLength: known(this.#udpLength),
      contentSum: null,
      link: this.#link ?? this.#decodedLink(),
      quoted: this.#quoted,
    };
  }

  #family(): PacketFamily {
    if (this.#isArp) return "arp";
    return this.isIpv6 ? "ip6" : "ip";
  }

  /**
   * The kernel splits the octet in two, `TOS=` (mask 0x1e) and `PREC=` (mask 0xe0), and so drops its lowest bit, one of
   * the two ECN bits.
   */
  #typeOfService(): number | null {
    if (this.isIpv6 || this.#style === "monitor") return known(this.#tos);
    return this.#tos === -1 || this.#precedence === -1 ? null : this.#tos | this.#precedence;
  }

  #tcp(): Packet["tcp"] {
    const flags = this.#hasAllFlags() ? this.#flags : null;
    if ((this.#seen & (SEQ | ACK | WINDOW)) === 0 && flags === null) return null;
    return { seq: known(this.#sequence), ack: known(this.#ack), flags, window: known(this.#window) };
  }

  /** The flag words are known to be all of them once URGP has followed; `xtables-monitor` ends with them. */
  #hasAllFlags(): boolean {
    return (this.#seen & URGP) !== 0 || (this.#style === "monitor" && this.#flags !== 0);
  }

  #icmp(): Packet["icmp"] {
    if ((this.#seen & TYPE) === 0) return null;
    return {
      type: known(this.#type),
      code: known(this.#code),
      id: known(this.#echoId),
      sequence: known(this.#sequence),
      mtu: known(this.#mtu),
    };
  }

  #decodedLink(): Packet["link"] {
    if ((this.#seen & LINK) === 0) return null;
    return {
      source: this.#macSource,
      destination: this.#macDestination,
      etherType: known(this.#etherType),
    };
  }

  #clear(): void {
    this.isFollowed = false;
    this.endsInValue = false;
    this.length = -1;
    this.isIpv6 = false;
    this.#seen = 0;
    this.#open = false;
    this.#in = null;
    this.#out = null;
    this.#physIn = null;
    this.#physOut = null;
    this.#mark = -1;
    this.#uid = -1;
    this.#gid = -1;
    this.#link = null;
    this.#macSource = null;
    this.#macDestination = null;
    this.#etherType = -1;
    this.#isArp = false;
    this.#src = null;
    this.#dst = null;
    this.#tos = -1;
    this.#precedence = -1;
    this.#ttl = -1;
    this.#ipId = -1;
    this.#dontFragment = false;
    this.#moreFragments = false;
    this.#fragmentOffset = 0;
    this.#incomplete = false;
    this.#truncated = false;
    this.#protocol = null;
    this.#sport = -1;
    this.#dport = -1;
    this.#udpLength = -1;
    this.#sequence = -1;
    this.#ack = -1;
    this.#window = -1;
    this.#flags = 0;
    this.#type = -1;
    this.#code = -1;
    this.#echoId = -1;
    this.#mtu = -1;
    this.#quoted = null;
  }

  #read(text: string, from: number, to: number, isQuoted: boolean): void {
    let at = from;
    this.end = from;
    while (at < to) {
      const code = text.charCodeAt(at);
      if (code <= SPACE) {
        at++;
      } else if (code >= 65 && code <= 90) {
        const isMine = this.#token(text, at, to);
        if (this.isFollowed) return;
        if (isMine) {
          this.#lastToken = at;
          this.end = this.#at;
        }
        at = this.#at;
      } else if (code === OPEN) {
        at = this.#bracket(text, at, to);
      } else if (code === CLOSE && isQuoted) {
        this.end = at + 1;
        return;
      } else {
        at = endOfWord(text, at, to);
      }
    }
    this.#open ||= isQuoted;
  }

  /** Reads the token at `from` and leaves `#at` behind it; whether it is a record's token. */
  #token(text: string, from: number, to: number): boolean {
    let at = from;
    let word = 0;
    let code = text.charCodeAt(at);
    while (code >= 65 && code <= 90 && at < to) {
      word = nextKey(word, code);
      code = text.charCodeAt(++at);
    }
    if (at < to && code === EQUALS) {
      this.endsInValue = false;
      this.isFollowed = !this.#pair(text, word, at + 1, to);
      return true;
    }
    this.#at = at;
    if (at >= to || code <= SPACE) return this.#bareWord(text, word, to);
    if (code === COLON && word === K_FRAG) {
      this.endsInValue = false;
      this.#fragment(text, at + 1, to);
      return true;
    }
    this.#at = endOfWord(text, at, to);
    return false;
  }

  /** `KEY=value`; `at` is the value's place. */
  #pair(text: string, word: number, at: number, to: number): boolean {
    switch (word) {
      case K_IN:
        if (!this.#first(IN)) return false;
        this.#in = this.#word(this.#values.names, text, at, to);
        return true;
      case K_OUT:
        if (!this.#first(OUT)) return false;
        this.#out = this.#word(this.#values.names, text, at, to);
        return true;
      case K_MAC:
        if (!this.#first(MAC)) return false;
        this.#link = this.#word(this.#values.links, text, at, to);
        return true;
      case K_SRC:
      case K_IPSRC:
        if (!this.#first(SRC)) return false;
        this.#src = this.#address(text, at, to);
        return true;
      case K_DST:
      case K_IPDST:
        if (!this.#first(DST)) return false;
        this.#dst = this.#address(text, at, to);
        return true;
      case K_LEN:
        if (this.#first(LEN)) {
          this.length = this.#number(text, at, to, 0xffff_ffff);
          return true;
        }
        if (this.#protocol !== "udp" && this.#protocol !== "udplite") return false;
        if (!this.#first(UDP_LEN)) return false;
        this.#udpLength = this.#number(text, at, to, 0xffff);
        return true;
      case K_TOS:
        if (!this.#first(TOS)) return false;
        this.#tos = this.#hex(text, at, to, 0xff);
        return true;
      case K_PREC:
        if (!this.#first(PREC)) return false;
        this.#precedence = this.#hex(text, at, to, 0xff);
        return true;
      case K_TTL:
        if (!this.#first(TTL)) return false;
        this.#ttl = this.#number(text, at, to, 0xff);
        return true;
      case K_ID:
        if ((this.#seen & TYPE) !== 0) {
          if (!this.#first(ECHO_ID)) return false;
          this.#echoId = this.#number(text, at, to, 0xffff);
          return true;
        }
        if (!this.#first(ID)) return false;
        this.#ipId = this.#number(text, at, to, 0xffff);
        return true;
      case K_PROTO:
        if (!this.#first(PROTO)) return false;
        this.#protocol = this.#word(this.#values.protocols, text, at, to);
        return true;
      case K_SPT:
      case K_SPORT:
        if (!this.#first(SPT)) return false;
        this.#sport = this.#number(text, at, to, 0xffff);
        return true;
      case K_DPT:
      case K_DPORT:
        if (!this.#first(DPT)) return false;
        this.#dport = this.#number(text, at, to, 0xffff);
        return true;
      case K_SEQ:
        if (!this.#first(SEQ)) return false;
        this.#sequence = this.#number(text, at, to, 0xffff_ffff);
        return true;
      case K_ACK:
        if (!this.#first(ACK)) return false;
        this.#ack = this.#number(text, at, to, 0xffff_ffff);
        return true;
      case K_WINDOW:
        if (!this.#first(WINDOW)) return false;
        this.#window = this.#number(text, at, to, 0xffff);
        return true;
      case K_URGP:
        if (!this.#first(URGP)) return false;
        this.#value(text, at, to);
        return true;
      case K_TYPE:
        if (!this.#first(TYPE)) return false;
        this.#type = this.#number(text, at, to, 0xff);
        return true;
      case K_CODE:
        if (!this.#first(CODE)) return false;
        this.#code = this.#number(text, at, to, 0xff);
        return true;
      case K_MARK:
        if (!this.#first(MARK)) return false;
        this.#mark = this.#hex(text, at, to, 0xffff_ffff);
        return true;
      case K_UID:
        if (!this.#first(UID)) return false;
        this.#uid = this.#number(text, at, to, 0xffff_ffff);
        return true;
      case K_GID:
        if (!this.#first(GID)) return false;
        this.#gid = this.#number(text, at, to, 0xffff_ffff);
        return true;
      case K_PHYSIN:
        if (!this.#first(PHYSIN)) return false;
        this.#physIn = this.#word(this.#values.names, text, at, to);
        return true;
      case K_PHYSOUT:
        if (!this.#first(PHYSOUT)) return false;
        this.#physOut = this.#word(this.#values.names, text, at, to);
        return true;
      case K_HOPLIMIT:
        if (!this.#first(TTL)) return false;
        this.isIpv6 = true;
        this.#ttl = this.#number(text, at, to, 0xff);
        return true;
      case K_TC:
        if (!this.#first(TOS)) return false;
        this.isIpv6 = true;
        this.#tos = this.#number(text, at, to, 0xff);
        return true;
      case K_FLOWLBL:
        this.isIpv6 = true;
        this.#seen |= FLOW;
        this.#value(text, at, to);
        return true;
      case K_MTU:
        if (!this.#first(MTU)) return false;
        this.#mtu = this.#number(text, at, to, 0xffff_ffff);
        return true;
      default:
        this.#rarePair(text, word, at, to);
        return true;
    }
  }

  #rarePair(text: string, word: number, at: number, to: number): void {
    const end = this.#value(text, at, to);
    switch (word) {
      case K_MACSRC:
        this.#seen |= LINK;
        this.#macSource = readMac(text.slice(at, end));
        return;
      case K_MACDST:
        this.#seen |= LINK;
        this.#macDestination = readMac(text.slice(at, end));
        return;
      case K_MACPROTO:
        this.#seen |= LINK;
        this.#etherType = this.#hex(text, at, to, 0xffff);
        return;
      case K_LL:
        this.#rawLink(text.slice(at, end));
        return;
    }
  }

  /** `LL=0x304` and the header's octets: `xtables-monitor` before 1.8.7 for what is no Ethernet, loopback included. */
  #rawLink(value: string): void {
    const octets = value.slice(-28);
    if (!/^0x304[0-9a-f]{28}$/i.test(value) || /^0{24}/.test(octets)) return;
    const text = octets.match(/../g)?.join(":") ?? "";
    this.#link = this.#values.links.get(text, 0, text.length).value;
  }

  #bareWord(text: string, word: number, to: number): boolean {
    switch (word) {
      case K_DF:
        this.#dontFragment ||= (this.#seen & PROTO) === 0;
        break;
      case K_MF:
        this.#moreFragments ||= (this.#seen & PROTO) === 0;
        break;
      case K_OPT:
        this.#options(text, to);
        break;
      case K_SYN:
        return this.#flag(TCP_FLAG_BITS.SYN);
      case K_ACK:
        return this.#flag(TCP_FLAG_BITS.ACK);
      case K_PSH:
        return this.#flag(TCP_FLAG_BITS.PSH);
      case K_RST:
        return this.#flag(TCP_FLAG_BITS.RST);
      case K_FIN:
        return this.#flag(TCP_FLAG_BITS.FIN);
      case K_URG:
        return this.#flag(TCP_FLAG_BITS.URG);
      case K_ECE:
        return this.#flag(TCP_FLAG_BITS.ECE);
      case K_CWR:
        return this.#flag(TCP_FLAG_BITS.CWR);
      case K_AE:
        return this.#flag(TCP_FLAG_BITS.AE);
      case K_INCOMPLETE:
        // `INCOMPLETE [3 bytes]` for a header that is cut, a bare word for IPv6's more-fragments bit.
        if (text.charCodeAt(this.#at + 1) === OPEN) {
          this.#incomplete = true;
          this.#at = behind(text, "]", this.#at, to);
        } else {
          this.#moreFragments = true;
        }
        break;
      case K_TRUNCATED:
        this.#truncated = true;
        break;
      case K_ARP:
        this.#isArp = true;
        break;
      default:
        return false;
    }
    this.endsInValue = false;
    return true;
  }

  /** A flag word; none is printed behind URGP, so one there is somebody's prose. */
  #flag(bit: number): boolean {
    if ((this.#seen & URGP) !== 0) return false;
    this.#flags |= bit;
    this.endsInValue = false;
    return true;
  }

  /** `OPT (020405B4…)` is stepped over; `OPT ( FRAG:… )` of IPv6 is a bracket round tokens. */
  #options(text: string, to: number): void {
    const open = this.#at + 1;
    if (open >= to) this.#open = true;
    if (text.charCodeAt(open) !== 40 || text.charCodeAt(open + 1) === SPACE) return;
    const end = behind(text, ")", open, to);
    this.#open = text.charCodeAt(end - 1) !== 41;
    this.#at = end;
  }

  /** IPv4 counts the offset in units of 8 bytes, IPv6 prints bytes (`dump_ipv6_packet` only masks the flags away). */
  #fragment(text: string, at: number, to: number): void {
    const offset = this.#number(text, at, to, 0xffff);
    if (offset !== -1) this.#fragmentOffset = this.isIpv6 ? offset : offset * 8;
  }

  /** The header that an ICMP error quotes, one level deep. Anything else in brackets is stepped over. */
  #bracket(text: string, at: number, to: number): number {
    if (this.#quoted !== null || !/^(?:SRC=|TRUNCATED|INCOMPLETE)/.test(text.slice(at + 1, at + 11)))
      return endOfWord(text, at, to);
    this.#inner ??= new PacketFields(this.#values, this.#style);
    const inner = this.#inner;
    inner.#clear();
    inner.#read(text, at + 1, to, true);
    this.#open = inner.#open || inner.isFollowed;
    const end = inner.end;
    if (this.#open && inner.endsInValue) inner.dropLastValue(text, at + 1);
    this.#quoted = inner.packet();
    this.endsInValue = false;
    this.end = Math.max(end, at + 1);
    return this.end;
  }

  #first(bit: number): boolean {
    if ((this.#seen & bit) !== 0) return false;
    this.#seen |= bit;
    return true;
  }

  /** The end of the value at `at`; leaves `#at` there. */
  #value(text: string, at: number, to: number): number {
    let end = at;
    let code = SPACE;
    while (end < to) {
      code = text.charCodeAt(end);
      if (code <= SPACE || code === OPEN || code === CLOSE) break;
      end++;
    }
    this.#at = end;
    this.endsInValue = end === to || code === OPEN;
    return end;
  }

  /** The value of the word at `at`; leaves `#at` behind it. */
  #word<Value>(cache: StretchCache<WordValue<Value>>, text: string, at: number, to: number): Value {
    const space = text.indexOf(" ", at);
    const found = cache.get(text, at, space === -1 || space > to ? to : space);
    const end = at + found.length;
    this.#at = end;
    this.endsInValue = end === to || text.charCodeAt(end) === OPEN;
    return found.value;
  }

  #address(text: string, at: number, to: number): string | null {
    const address = this.#word(this.#values.addresses, text, at, to);
    if (address.isIpv6) this.isIpv6 = true;
    return address.text;
  }

  /** A decimal number up to `most`; −1 where something else stands there. */
  #number(text: string, at: number, to: number, most: number): number {
    let value = 0;
    let next = at;
    let digit = text.charCodeAt(next) - 48;
    while (digit >= 0 && digit <= 9 && next < to) {
      value = value * 10 + digit;
      digit = text.charCodeAt(++next) - 48;
    }
    return this.#endNumber(text, at, next, to) && value <= most ? value : -1;
  }

  /** A hexadecimal number up to `most`, with or without `0x` (ulogd leaves it out); −1 where something else stands there. */
  #hex(text: string, at: number, to: number, most: number): number {
    const from = text.charCodeAt(at + 1) === 120 && text.charCodeAt(at) === 48 ? at + 2 : at;
    let value = 0;
    let next = from;
    let digit = hexDigit(text.charCodeAt(next));
    while (digit !== -1 && next < to) {
      value = value * 16 + digit;
      digit = hexDigit(text.charCodeAt(++next));
    }
    return this.#endNumber(text, from, next, to) && value <= most ? value : -1;
  }

  /** Whether a number that fills `from` to `end` is whole; leaves `#at` behind the token. */
  #endNumber(text: string, from: number, end: number, to: number): boolean {
    this.#at = end;
    if (end >= to) {
      this.endsInValue = true;
      return end > from;
    }
    const code = text.charCodeAt(end);
    if (code <= SPACE) return end > from;
    if (code === OPEN) this.endsInValue = true;
    if (isPunctuation(code)) return end > from;
    // `xtables-monitor` before 1.8.9 forgets the space behind ID: `ID=36299DF SPORT=…`.
    if (this.#style === "monitor" && code >= 65 && code <= 90) return end > from;
    this.#value(text, end, to);
    return false;
  }
}

/** `[ ] ( ) , ; " ' < }`: what people and wrappers put behind a number. Letters, dots and colons make it no number. */
function isPunctuation(code: number): boolean {
  return (
    code === OPEN ||
    code === CLOSE ||
    code === 40 ||
    code === 41 ||
    code === 44 ||
    code === 59 ||
    code === 34 ||
    code === 39 ||
    code === 60 ||
    code === 125
  );
}

function known(value: number): number | null {
  return value === -1 ? null : value;
}

function endOfWord(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && text.charCodeAt(at) > SPACE) at++;
  return at;
}

function behind(text: string, mark: string, from: number, to: number): number {
  const at = text.indexOf(mark, from);
  return at === -1 || at >= to ? to : at + 1;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
