/**
 * The packet got through here, and nothing came back.
 *
 * The firewall let it go: what is missing is the other side's, or takes another way. Told only where an answer would
 * have been seen, or where its sender tells by sending the same again.
 */
import { formatNanos } from "../../base/time.ts";
import type { Diagnose } from "../cause.ts";
import { word } from "../commands.ts";
import { endpoint } from "../flows.ts";
import type { Outcome } from "../outcome.ts";

/** An answer that takes longer is late for every protocol that waits for one. */
const PATIENCE_NANOS = 1e9;

export const noReply: Diagnose = (journey, { outcome, silence, takesAnswer }) => {
  const packet = journey.last?.packet;
  if (silence === null || packet == null || !gotThrough(outcome) || takesAnswer === false) return [];
  const isPatient = silence.waitedNanos !== null && silence.waitedNanos >= PATIENCE_NANOS;
  const wouldSee = takesAnswer === true || silence.answersToOthers > 0;
  if (silence.sentAgain === 0 && !(isPatient && wouldSee)) return [];
  const to = endpoint(packet.dst, packet.dport);
  const waited = silence.waitedNanos === null ? "" : ` in the ${formatNanos(silence.waitedNanos)} after it`;
  const again =
    silence.sentAgain === 0 ? "" : `; its sender sent it again ${times(silence.sentAgain)}, so it got none`;
  return [
    {
      cause: "no-reply",
      severity: packet.protocol === "udp" ? "info" : "warning",
      what: `no answer from ${to} was seen${waited}${again}`,
      why: why(takesAnswer, silence.answersToOthers, packet.protocol),
      try: whereToLook(outcome, packet.dst, packet.dport, packet.protocol, journey.netns),
      evidence: [journey.steps.length - 1],
      wouldBeWrongIf:
        silence.sentAgain > 0
          ? "an answer took another way and came too late"
          : "the answer took another way than through here, or came later",
    },
  ];
};

function gotThrough({ verdict }: Outcome): boolean {
  return verdict === "forwarded" || verdict === "delivered" || verdict === "sent";
}

function times(count: number): string {
  if (count === 1) return "once";
  return count === 2 ? "twice" : `${count} times`;
}

function why(takesAnswer: boolean | null, others: number, protocol: string | null): string {
  const needsNone = protocol === "udp" ? "; UDP by itself needs no answer" : "";
  if (takesAnswer === true) return `no rule here ended it, and this trace takes answers too${needsNone}`;
  if (others > 0) {
    const requests = others === 1 ? "another request was" : `${others} other requests were`;
    return `no rule here ended it; the answer to ${requests} seen in this trace${needsNone}`;
  }
  return "no rule here ended it; whether this trace takes answers is not known";
}

/** Does it get there, and does anything come back: on the wire that it left by, or at the socket. */
function whereToLook(
  { verdict, out }: Outcome,
  dst: string | null,
  dport: number | null,
  protocol: string | null,
  netns: string | null,
): string {
  const enter = netns === null ? "" : `ip netns exec ${word(netns)} `;
  if (verdict === "delivered") {
    const flag = protocol === "tcp" ? "t" : "u";
    return dport === null
      ? `${enter}nstat -az`
      : `${enter}ss -ln${flag}p 'sport = :${dport}'  # does anybody listen?`;
  }
  const port = dport === null ? "" : ` and port ${dport}`;
  const wire = out === null ? "any" : word(out);
  return `${enter}tcpdump -ni ${wire} 'host ${dst ?? "?"}${port}'  # does an answer come to this host?`;
}
