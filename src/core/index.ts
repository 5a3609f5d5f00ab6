/** The pure core: events in, explained journeys out. Opens nothing; runs in Node and in a browser. */

export { LineSplitter } from "./base/lines.ts";
export { assertNever, ok, type Result, refused } from "./base/result.ts";
export { printable } from "./base/text.ts";
export { type Clock, type Epoch, formatTime, nanosBetween, type Time } from "./base/time.ts";
export type { Explained } from "./diagnosis/diagnose.ts";
export { DEFAULT_EXPLAINER_OPTIONS, Explainer, type ExplainerOptions } from "./diagnosis/explainer.ts";
export type { CauseCode, Finding, Severity } from "./diagnosis/finding.ts";
export type { Outcome, OutcomeVerdict } from "./diagnosis/outcome.ts";
export { looksLikeTrace, TextTraceDecoder } from "./events/decode/text-trace.ts";
export type * from "./events/event.ts";
export type { Filter, FilterProblem } from "./filters/filter.ts";
export { parseFilter } from "./filters/parse.ts";
export { matchesFilter } from "./filters/predicate.ts";
export type { HookFunction } from "./hooks/hook-function.ts";
export { type HookMap, type KernelWord, mapHooks, NO_KERNEL } from "./hooks/hook-map.ts";
export type * from "./journeys/journey.ts";
export type { Packet } from "./packets/packet.ts";
export { RuleBook } from "./rulesets/rule-book.ts";
export type * from "./rulesets/ruleset.ts";
export { RulesetReader, readRulesets } from "./rulesets/ruleset-reader.ts";
export { writeIptablesSave } from "./rulesets/write-iptables-save.ts";
export { JOURNEY_SCHEMA, type JourneyContract, journeyContract } from "./views/contract.ts";
export { HOOKS_SCHEMA, type HooksContract, hooksContract } from "./views/hooks-contract.ts";
export { describeHooks } from "./views/hooks-tree.ts";
export { markdownJourney } from "./views/markdown.ts";
export { type Line, type Span, type Style, span } from "./views/styled.ts";
export { ASCII, describeJourney, type Glyphs, type TreeOptions, UNICODE } from "./views/tree.ts";
