/** TCP flags in rules: iptables' `FIN,SYN,RST,ACK SYN`, nft's `syn`, `== syn`, `syn / fin,syn,rst,ack`, `& (fin | syn) == syn`. */
import { TCP_FLAG_BITS, type TcpHeader, tcpFlagNames } from "../../packets/packet.ts";
import type { Match } from "../ruleset.ts";
import { type Answer, answer, notKnown } from "./answer.ts";

export function evaluateTcpFlags({ value, text }: Match, tcp: TcpHeader): Answer {
  if (tcp.flags === null) return notKnown("its TCP flags were not shown");
  const words = `its TCP flags are ${tcpFlagNames(tcp.flags).join(" ") || "none"}`;
  const isSo = hasFlags(tcp.flags, value, text);
  return isSo === null ? notKnown(`${words}; what ${value} asks for is not known here`) : answer(isSo, words);
}

function hasFlags(flags: number, value: string, text: string): boolean | null {
  const masked =
    /^(?:&|and)\s*\(?([^)=!]+)\)?\s*(==|!=)\s*\(?([^)]+)\)?$/.exec(value) ??
    swapped(/^([^/]+?)\s*\/\s*(.+)$/.exec(value)) ??
    iptables(/^(\S+) (\S+)$/.exec(value));
  if (masked === null) {
    const bits = bitsOf(value);
    if (bits === null) return null;
    // `tcp flags syn` asks whether any is set; `tcp flags == syn` for exactly these.
    return /==/.test(text) ? flags === bits : (flags & bits) !== 0;
  }
  const [mask, wanted] = [bitsOf(masked[1] ?? ""), bitsOf(masked[3] ?? "")];
  if (mask === null || wanted === null) return null;
  const isSame = (flags & mask) === wanted;
  return masked[2] === "!=" ? !isSame : isSame;
}

/** nft names the value first and the mask behind the slash. */
function swapped(found: RegExpExecArray | null): readonly string[] | null {
  return found === null ? null : ["", found[2] ?? "", "==", found[1] ?? ""];
}

function iptables(found: RegExpExecArray | null): readonly string[] | null {
  return found === null ? null : ["", found[1] ?? "", "==", found[2] ?? ""];
}

function bitsOf(text: string): number | null {
  let bits = 0;
  for (const word of text.toUpperCase().split(/[\s,|{}()]+/)) {
    if (word === "" || word === "NONE") continue;
    const bit = word === "ALL" ? 0x3f : /^(0X[\dA-F]+|\d+)$/.test(word) ? Number(word) : bitOf(word);
    if (bit === null) return null;
    bits |= bit;
  }
  return bits;
}

function bitOf(name: string): number | null {
  const known = Object.entries(TCP_FLAG_BITS).find(([flag]) => flag === (name === "ECN" ? "ECE" : name));
  return known?.[1] ?? null;
}
