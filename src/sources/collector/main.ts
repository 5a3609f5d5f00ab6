/**
 * Entry of the collector process: see `collector.ts`.
 *
 * A service manager that stops nfpath signals all its processes. The guardian outlives the polite ones: it ends when nfpath
 * has, and not before everything is put back.
 */
import { runCollector } from "./collector.ts";

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => {});
process.exitCode = runCollector();
