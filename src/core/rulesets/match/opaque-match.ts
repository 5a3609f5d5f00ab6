/**
 * Conditions that the model keeps as words: extensions of iptables and nft selectors that a trace can still answer, and, for
 * the others, where the answer could be had.
 */
import type { Match } from "../ruleset.ts";
import { isInAddresses } from "./address-match.ts";
import { type Answer, answer, anyOf, type Circumstances, type Holds, notKnown } from "./answer.ts";
import { isInNumbers } from "./number-match.ts";

export function evaluateOpaque(match: Match, circumstances: Circumstances): Answer {
  for (const [pattern, evaluate] of KNOWN) {
    const found = pattern.exec(match.value) ?? pattern.exec(match.text);
    if (found !== null) return evaluate(found[1] ?? "", circumstances);
  }
  for (const [pattern, words] of ELSEWHERE) {
    if (pattern.test(match.value) || pattern.test(match.text)) return notKnown(words);
  }
  return notKnown("this condition is not understood here");
}

type Evaluate = (value: string, circumstances: Circumstances) => Answer;

const KNOWN: readonly (readonly [RegExp, Evaluate])[] = [
  [/--src-range (\S+)/, (value, { sighting }) => range(sighting.packet.src, value, "it came from")],
  [/--dst-range (\S+)/, (value, { sighting }) => range(sighting.packet.dst, value, "it goes to")],
  [
    /(?:^length --length|^(?:meta|ip) length) (.+)$/,
    (value, { sighting }) => number(sighting.packet.length, value, "its length is"),
  ],
  [
    /^(?:ttl --ttl|hl --hl)(-(?:eq|lt|gt) \d+)$/,
    (value, { sighting }) => number(sighting.packet.ttl, relation(value), "its TTL is"),
  ],
  [
    /^(?:ip ttl|ip6 hoplimit) (.+)$/,
    (value, { sighting }) => number(sighting.packet.ttl, value, "its TTL is"),
  ],
  [/--uid-owner (\d+)/, (value, { sighting }) => number(sighting.uid, value, "its socket belongs to user")],
  [/--gid-owner (\d+)/, (value, { sighting }) => number(sighting.gid, value, "its socket belongs to group")],
  [
    /^(?:meta )?skuid (\d+)$/,
    (value, { sighting }) => number(sighting.uid, value, "its socket belongs to user"),
  ],
  [/^multiport --ports (\S+)$/, eitherPort],
  [/--mac-source (\S+)/, (value, { sighting }) => mac(sighting.packet.link?.source ?? null, value)],
  [/^ether saddr (\S+)$/, (value, { sighting }) => mac(sighting.packet.link?.source ?? null, value)],
  [
    /--physdev-in (\S+)/,
    (value, { sighting }) => bridgePort(sighting.physIn, value, "it came in by bridge port"),
  ],
  [
    /--physdev-out (\S+)/,
    (value, { sighting }) => bridgePort(sighting.physOut, value, "it leaves by bridge port"),
  ],
];

const ELSEWHERE: readonly (readonly [RegExp, string])[] = [
  [/^set /, "what is in an ipset is not in the rules: ipset test SET ADDRESS"],
  [/^(limit|hashlimit|quota)\b|^limit rate/, "a rate lets some packets pass and others not"],
  [/^recent\b/, "what was seen recently is known to the host alone: cat /proc/net/xt_recent/NAME"],
  [/^(statistic|random|nth|numgen|jhash|symhash)\b/, "it picks some packets by chance or by counting"],
  [/^(owner|socket|cgroup)\b|skuid|skgid/, "whose socket it is was not told"],
  [
    /^(rpfilter|fib)\b/,
    "the way back to its source is the host's to know: ip route get ADDRESS from … iif …",
  ],
  [/^(time|hour|day)\b|^meta (time|hour|day)/, "it depends on the time of day there"],
  [/^(string|u32|bpf|layer7|ndpi)\b|@(ll|nh|th|ih),/, "it looks at bytes that a trace does not show"],
  [
    /^(conntrack|connmark|connbytes|connlimit|connlabel|helper)\b|^ct /,
    "what conntrack knows of its connection was not told",
  ],
  [/^(policy|ipsec)\b/, "whether IPsec carried it was not told"],
  [/^(pkttype)\b|pkttype/, "whether its frame was for one or many was not told"],
];

function range(seen: string | null, value: string, verb: string): Answer {
  return seen === null
    ? notKnown("the address was not shown")
    : { holds: isInAddresses(seen, value), words: `${verb} ${seen}` };
}

function number(seen: number | null, value: string, verb: string): Answer {
  if (seen === null) return notKnown(`${verb} not told`);
  const texts = value.replace(/^\{(.*)\}$/, "$1").split(",");
  const holds: Holds = anyOf(texts.map((text) => isInNumbers(seen, text.trim(), () => null)));
  return holds === "not-known" ? notKnown(`${verb} ${seen}`) : { holds, words: `${verb} ${seen}` };
}

/** `-lt 5` → `< 5` */
function relation(value: string): string {
  const [, name = "", limit = ""] = /^-(eq|lt|gt) (\d+)$/.exec(value) ?? [];
  return name === "eq" ? limit : `${name} ${limit}`;
}

function eitherPort(value: string, { sighting, portNumber }: Circumstances): Answer {
  const { sport, dport } = sighting.packet;
  if (sport === null || dport === null) return notKnown("its ports were not shown");
  const texts = value.split(",");
  const holds = anyOf(
    [sport, dport].flatMap((seen) => texts.map((text) => isInNumbers(seen, text, portNumber))),
  );
  return { holds, words: `its ports are ${sport} and ${dport}` };
}

function mac(seen: string | null, value: string): Answer {
  if (seen === null) return notKnown("the station that sent it was not shown");
  return answer(seen.toLowerCase() === value.toLowerCase(), `the frame came from ${seen}`);
}

function bridgePort(seen: string | null, value: string, verb: string): Answer {
  if (seen === null) return notKnown("its bridge port was not told, if it has one");
  const isSo = value.endsWith("+") ? seen.startsWith(value.slice(0, -1)) : seen === value;
  return answer(isSo, `${verb} ${seen}`);
}
