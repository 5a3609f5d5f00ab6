/**
 * Copies: a packet of its own that begins where no packet can begin, with the headers of another.
 *
 * TEE and nft's `dup` send a copy out by OUTPUT (`nf_dup_ipv4`), with one taken off its TTL where the packet had come in; the packet itself is
 * at the rule meanwhile. A bridge that does not know where a frame's station is, or that has one for all, clones it for each port
 * (`br_flood`): clones have trace ids of their own and begin at FORWARD, the first of them where the frame itself went on.
 * What the host itself is handed of such a frame is the frame, or its last clone, at INPUT.
 */
import { nanosBetween } from "../base/time.ts";
import type { Journey, Step } from "./journey.ts";
import type { RelationReason } from "./relations.ts";
import type { Trail } from "./trail.ts";

/** Clones are sent one after the other; a sender waits ten times as long before it sends again. */
const MEANWHILE_NANOS = 20e6;

/** Whether it begins as a copy does. */
export function isCopy({ steps, first }: Journey): boolean {
  const step = steps[0];
  if (step === undefined || first === null) return false;
  return step.hook === "output" || isInsideBridge(step);
}

interface Copied {
  readonly originals: readonly Trail[];
  readonly by: RelationReason;
}

/** @param candidates earlier journeys that had the same headers, at about the same time; the oldest first */
export function copiedFrom(copy: Journey, candidates: readonly Trail[]): Copied | null {
  const step = copy.steps[0];
  if (step === undefined) return null;
  const here = candidates.filter((original) => original.netns === copy.netns && isMeanwhile(original, copy));
  if (step.hook !== "output") {
    const originals = here.filter((original) => isFloodOf(original, copy));
    return originals.length === 0 ? null : { originals, by: "same-headers-within-window" };
  }
  const copied = here.filter(({ isCopied }) => isCopied);
  if (copied.length > 0) return { originals: copied, by: "copied-by-rule" };
  // Nobody here makes a packet of another host's, with its number: the rule that does it was not told.
  const forwarded = here.filter(
    (original) => cameFromOutside(original) && !original.in.includes("lo") && isNumbered(copy),
  );
  return forwarded.length === 0 ? null : { originals: forwarded, by: "same-headers-within-window" };
}

/** A packet that is sent again comes later. */
function isMeanwhile(original: Trail, copy: Journey): boolean {
  const nanos = nanosBetween(original.lastTime, copy.firstTime);
  return nanos === null || nanos <= MEANWHILE_NANOS;
}

function isNumbered({ first }: Journey): boolean {
  return (first?.packet.ipId ?? 0) !== 0;
}

/** Whether the step's rule copies packets. Asked of every step, so a text is only looked at for the word. */
export function makesCopies({ kind, resolved, event }: Step): boolean {
  if (kind !== "rule") return false;
  if (resolved.rule === null) return event.ruleText !== null && COPIERS.test(event.ruleText);
  return resolved.rule.statements.some(
    (statement) =>
      (statement.kind === "pass" || statement.kind === "opaque") && /^(tee|dup)$/i.test(statement.name),
  );
}

const COPIERS = /-j TEE |\bdup to /;

function isInsideBridge({ hook, event }: Step): boolean {
  return event.family === "bridge" && (hook === "forward" || hook === "postrouting" || hook === "input");
}

function cameFromOutside({ begins }: Trail): boolean {
  return begins === "prerouting" || begins === "ingress";
}

/** The frame itself was seen coming in, by the same port. */
function isFloodOf(original: Trail, copy: Journey): boolean {
  const port = copy.first?.in ?? null;
  return cameFromOutside(original) && (port === null || original.in.includes(port));
}
