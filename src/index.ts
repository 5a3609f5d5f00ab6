/** nfpath as a library for Node: everything of the core, and the commands as functions. Importing it changes nothing. */

export { type ExplainOptions, type ExplainReport, explain } from "./app/explain.ts";
export type { ExitStatus, Refusal } from "./app/refusal.ts";
export { type LiveOptions, type LiveReport, traceLive } from "./app/trace.ts";
export * from "./core/index.ts";
