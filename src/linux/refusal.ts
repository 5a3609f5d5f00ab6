/**
 * What this machine can refuse, as values: a kind to act on, one line for a person, and what to do about it.
 *
 * Text that came from another program is in `message` only, and is the host's: pass it through `printable`.
 */

export type HostRefusalKind =
  | "not-linux"
  | "not-permitted"
  | "missing-program"
  | "missing-netns"
  | "missing-device"
  | "kernel-lacks"
  /** The one reader that NFLOG group 0 of a namespace can have is somebody else. */
  | "nflog-group-taken"
  /** A program ran and said no. */
  | "program-failed"
  | "program-timed-out"
  | "too-much-output"
  | "setting-refused";

export interface HostRefusal {
  readonly kind: HostRefusalKind;
  /** What is wrong: one line. */
  readonly message: string;
  /** What to do: an action. */
  readonly hint: string;
}

export function hostRefusal(kind: HostRefusalKind, message: string, hint: string): HostRefusal {
  return { kind, message, hint };
}
