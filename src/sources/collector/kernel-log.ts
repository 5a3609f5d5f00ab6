/**
 * The kernel log as a source of legacy steps, where NFLOG group 0 is not to be had: what is logged from now on.
 *
 * All records are passed on, because their numbers show whether any is missing. What was there before is nobody's business
 * here, and might hold somebody's older trace; of its last record the number alone is kept, so that a hole right behind it shows.
 */
import { isSystemError } from "../../linux/sysctl.ts";
import { KmsgTail } from "../kmsg.ts";

/** Each of up to 16 KiB: together they must fit a frame. */
const RECORDS_A_ROUND = 32;

export class KernelLogReader {
  readonly fd: number;
  readonly #tail: KmsgTail;
  /** Header of the last record before us; empty once it was given, or where there was none. */
  #before = "";

  /** Throws what `open` throws. */
  constructor(path: string) {
    this.#tail = new KmsgTail(path, RECORDS_A_ROUND);
    this.fd = this.#tail.fd;
    for (let text = this.#readRecords(); text !== ""; text = this.#readRecords())
      this.#before = lastHeader(text);
  }

  /** Whole records; empty when there are none. */
  read(): string {
    const text = this.#readRecords();
    if (text === "" || this.#before === "") return text;
    const begin = `${this.#before};nfpath reads from here\n`;
    this.#before = "";
    return begin + text;
  }

  close(): void {
    this.#tail.close();
  }

  #readRecords(): string {
    return this.#tail.read().reduce((text, piece) => text + (piece.kind === "text" ? piece.text : ""), "");
  }
}

/** `4,1234,5678901,-` of the last record; its further lines begin with a space. */
function lastHeader(text: string): string {
  return [...text.matchAll(/^([0-9,]+,[^;\n ]*);/gm)].at(-1)?.[1] ?? "";
}

/** Why the kernel log cannot be read: the errno. Throws anything that is no refusal of the system. */
export function openKernelLog(path: string): KernelLogReader | { readonly errno: string } {
  try {
    return new KernelLogReader(path);
  } catch (error) {
    if (isSystemError(error)) return { errno: error.code };
    throw error;
  }
}
