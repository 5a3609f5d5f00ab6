/**
 * Where a namespace's legacy TRACE events go: `net.netfilter.nf_log.N`, one logger per protocol family
 * (`net/netfilter/nf_log.c`).
 *
 * The kernel accepts the name of a logger whose module is loaded, and `NONE`; anything else is ENOENT.
 */
import type { Result } from "../core/base/result.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

export type LoggedFamily = 2 | 10;

/** Name of the logger of a family in the calling thread's namespace; null where the kernel has no such setting. */
export function readLogger(nfproto: LoggedFamily): string | null {
  return readSysctl(loggerSetting(nfproto));
}

/** Sets it; refused with the errno's name. */
export function writeLogger(nfproto: LoggedFamily, logger: string): Result<void, string> {
  return writeSysctl(loggerSetting(nfproto), logger);
}

export function loggerSetting(nfproto: LoggedFamily): string {
  return `net.netfilter.nf_log.${nfproto}`;
}
