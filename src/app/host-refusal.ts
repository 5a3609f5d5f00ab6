/** What the host refuses, as a refusal of the command. */
import { assertNever } from "../core/base/result.ts";
import type { HostRefusal } from "../linux/refusal.ts";
import { type Refusal, refusal } from "./refusal.ts";

/** A host's refusal in the command's terms: what is wrong in the words is 2, what the host does not allow is 3. */
export function ofHost(error: HostRefusal): Refusal {
  switch (error.kind) {
    case "missing-netns":
    case "missing-device":
      return refusal(2, error.message, error.hint);
    case "not-linux":
    case "not-permitted":
    case "missing-program":
    case "kernel-lacks":
    case "nflog-group-taken":
    case "program-failed":
    case "program-timed-out":
    case "too-much-output":
    case "setting-refused":
      return refusal(3, error.message, error.hint);
    default:
      return assertNever(error.kind);
  }
}
