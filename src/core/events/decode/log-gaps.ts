/**
 * Lines in which somebody says that something is missing: the kernel's print buffer, its rate limit, the daemons between
 * the kernel and the file, and the tools that read netlink. Silence is never taken for an answer where one of these stands.
 */
import type { GapKind } from "../event.ts";

export interface GapReport {
  readonly gap: GapKind;
  readonly count: number | null;
  readonly remedy: string;
  /** Where in the line it stands; in front of it is the line's prefix. */
  readonly at: number;
}

interface GapPattern {
  readonly gap: GapKind;
  /** Its first group, if any, is the count. */
  readonly pattern: RegExp;
  readonly remedy: string;
}

const PRINTK_BUFFER =
  "give the kernel a larger log buffer (boot with log_buf_len=16M) and trace fewer packets";
const JOURNAL = "lift journald's limit for the time of the trace: RateLimitIntervalSec=0 in journald.conf";
const RSYSLOG =
  "lift rsyslog's limit for the time of the trace (imuxsock and imjournal have a RateLimit.Interval; 0 is none)";
const NETLINK = "trace fewer packets: narrow the filter or lower the rate";

const PATTERNS: readonly GapPattern[] = [
  {
    gap: "truncated",
    pattern: /\*\* (\d+) printk messages dropped/,
    remedy: PRINTK_BUFFER,
  },
  {
    gap: "truncated",
    pattern: /nf_log: please increase S_SIZE/,
    remedy: "a record was longer than the kernel's 1 KiB buffer and was cut: shorten the rule's log prefix",
  },
  {
    gap: "rate-limited",
    // The name is the function that printed too much; those of other subsystems say nothing about packets.
    pattern:
      /\b(?:net_ratelimit|__?nf_|nf_|xt_|ipt?_|ip6t?_|ip6?:|arp|neigh|br_|tcp_|udp_|icmp)\w*:? (\d+) callbacks suppressed/,
    remedy: "lift the kernel's limit for the time of the trace: sysctl net.core.message_cost=0",
  },
  {
    gap: "rate-limited",
    // Linux before 2.6.27.
    pattern: /\bprintk: (\d+) messages suppressed\b/,
    remedy:
      "lift the kernel's limit for the time of the trace: sysctl net.core.message_cost=0 kernel.printk_ratelimit=0",
  },
  { gap: "rate-limited", pattern: /\bSuppressed (\d+) messages? from /, remedy: JOURNAL },
  { gap: "lost-by-kernel", pattern: /\bMissed (\d+) kernel messages/, remedy: PRINTK_BUFFER },
  {
    gap: "rate-limited",
    pattern: /\bimuxsock(?:\[[^\]]*\])?:? lost (\d+) messages from pid/,
    remedy: RSYSLOG,
  },
  { gap: "rate-limited", pattern: /\bimjournal: (\d+) messages lost due to rate-limiting/, remedy: RSYSLOG },
  { gap: "rate-limited", pattern: /\b(?:imuxsock|imjournal)\b.* begins? to drop messages/, remedy: RSYSLOG },
  { gap: "lost-by-kernel", pattern: /# ERROR: We lost some netlink events!/, remedy: NETLINK },
  { gap: "lost-by-kernel", pattern: /\bWe have hit ENOBUFS\b/, remedy: NETLINK },
  { gap: "lost-by-kernel", pattern: /\bNo buffer space available\b/, remedy: NETLINK },
  {
    gap: "truncated",
    pattern: /\bnft: \S+:\d+: \w+: Assertion /,
    remedy:
      "nft stopped here on a fault of its own: use a newer nft, or keep the packet it stumbled over out of the trace",
  },
  {
    gap: "truncated",
    pattern: /\bParsing nftables rule failed/,
    remedy:
      "xtables-monitor stopped here on a rule it could not print: use a newer one, or `nft monitor trace`",
  },
];

/** Cheaper than the patterns, for the prose that they all miss. */
const HINT =
  /dropped|S_SIZE|uppressed|Missed|lost|begins? to drop|ENOBUFS|buffer space|Assertion|rule failed/;

/** Whether a line says that evidence is missing; null where it does not. */
export function readGap(text: string): GapReport | null {
  if (!HINT.test(text)) return null;
  for (const { gap, pattern, remedy } of PATTERNS) {
    const match = pattern.exec(text);
    if (match === null) continue;
    return { gap, count: match[1] === undefined ? null : Number(match[1]), remedy, at: match.index };
  }
  return null;
}
