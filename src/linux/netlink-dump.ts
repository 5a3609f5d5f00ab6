/**
 * Asking the kernel for a list over netlink: one request, as many datagrams of answer as it takes.
 */
import { MSG_DONTWAIT, poll, recv, SystemCallError, send } from "./libc.ts";
import {
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  NLMSG_HEADER,
  netlinkMessage,
  readI32,
  readU16,
  readU32,
} from "./netlink.ts";

const NLMSG_DONE = 3;
/** What was listed changed meanwhile: parts may be missing or twice there. */
const NLM_F_DUMP_INTR = 0x10;
const ANSWER_WAIT_MS = 2000;
const MOST_ATTEMPTS = 5;

/**
 * The messages of a dump, one buffer a datagram. A list that changes while it is read is asked for again. Throws
 * `SystemCallError` with the kernel's errno, and `Error` when the kernel is silent or the list never holds still.
 */
export function dump(fd: number, type: number, body: Uint8Array): Buffer[] {
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
    const answer = askOnce(fd, type, attempt, body);
    if (!answer.isInterrupted) return answer.datagrams;
  }
  throw new Error(`a netlink list kept changing while it was read, ${MOST_ATTEMPTS} times`);
}

interface Answer {
  readonly datagrams: Buffer[];
  readonly isInterrupted: boolean;
}

function askOnce(fd: number, type: number, sequence: number, body: Uint8Array): Answer {
  send(fd, netlinkMessage(type, NLM_F_REQUEST | NLM_F_DUMP, sequence, body));
  const datagrams: Buffer[] = [];
  const buffer = Buffer.alloc(65_536);
  const deadline = performance.now() + ANSWER_WAIT_MS;
  let isInterrupted = false;
  while (performance.now() < deadline) {
    const length = recv(fd, buffer, MSG_DONTWAIT);
    if (length === 0) {
      poll([fd], Math.max(1, deadline - performance.now()));
      continue;
    }
    const datagram = Buffer.from(buffer.subarray(0, length));
    let isWanted = false;
    for (let at = 0; at + NLMSG_HEADER <= length; ) {
      const size = readU32(datagram, at);
      if (size < NLMSG_HEADER || at + size > length) break;
      if (readU32(datagram, at + 8) === sequence) {
        const kind = readU16(datagram, at + 4);
        if ((readU16(datagram, at + 6) & NLM_F_DUMP_INTR) !== 0) isInterrupted = true;
        if (kind === NLMSG_ERROR)
          throw new SystemCallError("netlink dump", -readI32(datagram, at + NLMSG_HEADER));
        if (kind === NLMSG_DONE)
          return { datagrams: isWanted ? [...datagrams, datagram] : datagrams, isInterrupted };
        isWanted = true;
      }
      at += (size + 3) & ~3;
    }
    if (isWanted) datagrams.push(datagram);
  }
  throw new Error("the kernel did not finish answering a netlink request");
}
