/** Why a command could not do its work, in words that say what to do. The faces print it; the exit status goes with it. */

/** 1 nfpath itself failed · 2 the words of the command were wrong · 3 not permitted or not possible here · 4 strict. */
export type ExitStatus = 0 | 1 | 2 | 3 | 4;

export interface Refusal {
  readonly status: Exclude<ExitStatus, 0>;
  /** One line: what is wrong. May hold names from the host; faces make it printable. */
  readonly message: string;
  /** One line: what to do. */
  readonly hint: string;
}

export function refusal(status: Refusal["status"], message: string, hint: string): Refusal {
  return { status, message, hint };
}
