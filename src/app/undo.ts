/** `nfpath undo`: finishes what killed runs could not. */
import { ok, type Result, refused } from "../core/base/result.ts";
import { missingCapabilities } from "../linux/capabilities.ts";
import { findLeftovers, rightsToUndo, type UndoReport, undoLeftovers } from "../tracing/leftovers.ts";
import { type Refusal, refusal } from "./refusal.ts";

export type { UndoReport };

/** Undoes dead runs; refused before anything is tried when this process may not. */
export async function undo(): Promise<Result<UndoReport, Refusal>> {
  if (process.platform !== "linux") {
    return refused(
      refusal(3, `nothing can be undone on ${process.platform}`, "nfpath changes Linux hosts only"),
    );
  }
  const missing = missingCapabilities(rightsToUndo());
  if (missing.length > 0) {
    return refused(
      refusal(
        3,
        `putting things back needs ${missing.join(" and ")}, which this process does not have`,
        "run it as root: sudo nfpath undo",
      ),
    );
  }
  return ok(await undoLeftovers());
}

/** Ids of runs that `undo` would finish; none where that cannot be seen. Reads only. */
export function leftoverRuns(): readonly string[] {
  return process.platform === "linux" ? findLeftovers().map(({ plan }) => plan.runId) : [];
}
