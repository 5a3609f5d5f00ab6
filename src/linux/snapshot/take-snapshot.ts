/**
 * A snapshot of one network namespace: what iproute2 says of links, addresses, routes and neighbours, what the kernel has in
 * /proc, sockets, and the rules. Only reads, and needs root for the rules and for the names of other people's processes alone.
 */
import { ok, type Result, refused } from "../../core/base/result.ts";
import { type JsonObject, objectsOf } from "../../core/hosts/decode/fields.ts";
import { readHostListing } from "../../core/hosts/decode/host-text-reader.ts";
import {
  readForwardingDatabase,
  readLinks,
  readNeighbours,
  readPolicyRules,
  readRoutes,
} from "../../core/hosts/decode/tool-json.ts";
import type { HostSection, HostSnapshot, IpFamily, RulesetText } from "../../core/hosts/host.ts";
import { HostDraft } from "../../core/hosts/host-draft.ts";
import { SystemCallError } from "../libc.ts";
import { findNetns, inNetns } from "../netns.ts";
import { missingProgram, runSuccessfully } from "../process.ts";
import { findProgram } from "../programs.ts";
import { type HostRefusal, hostRefusal } from "../refusal.ts";
import { readRulesetTexts } from "../ruleset-texts.ts";
import { isSystemError } from "../sysctl.ts";
import { readKernelFiles } from "./kernel-files.ts";

export interface SnapshotOptions {
  /** Null: the one nfpath runs in. */
  readonly netns: string | null;
  /** Rules that were read just now; or whether to read them. */
  readonly rulesets: readonly RulesetText[] | "read" | "skip";
}

/** No listing may hold a trace up. */
const TIME_LIMIT_MS = 5_000;
/** Some 400,000 routes. */
const OUTPUT_LIMIT = 64 * 1024 * 1024;

/** Refused when the namespace does not exist or may not be entered; a section that cannot be read is an absence. */
export async function takeSnapshot(options: SnapshotOptions): Promise<Result<HostSnapshot, HostRefusal>> {
  const { netns } = options;
  if (netns !== null) {
    const found = findNetns(netns);
    if (!found.ok) return found;
  }
  const takenAt = new Date().toISOString();
  const draft = new HostDraft();
  // Programs are started first and run while the files are read.
  const listings = LISTINGS.map((listing) => list(listing, netns, draft));
  const rules = options.rulesets === "skip" ? null : readRules(options.rulesets, netns, draft);
  const files = readFiles(netns, draft);
  await Promise.all([...listings, rules]);
  return files.ok ? ok(draft.end(netns, takenAt)) : files;
}

function readFiles(netns: string | null, draft: HostDraft): Result<void, HostRefusal> {
  try {
    return ok(inNetns(netns, () => readKernelFiles(draft)));
  } catch (error) {
    if (!(error instanceof SystemCallError) && !isSystemError(error)) throw error;
    return refused(
      hostRefusal(
        "not-permitted",
        `the namespace ${netns ?? "of this process"} cannot be entered`,
        "run it as root, with sudo",
      ),
    );
  }
}

interface Listing {
  readonly section: HostSection;
  readonly family: IpFamily | null;
  readonly program: string;
  /** The second form is for a tool that does not know an option of the first. */
  readonly forms: readonly (readonly string[])[];
  readonly take: (text: string, draft: HostDraft) => void;
}

const json = (take: (objects: readonly JsonObject[], draft: HostDraft) => void): Listing["take"] => {
  // iproute2 prints nothing at all for some empty lists.
  return (text, draft) => take(text.trim() === "" ? [] : objectsOf(JSON.parse(text)), draft);
};

const routesOf = (family: IpFamily): Listing => ({
  section: "routes",
  family,
  program: "ip",
  forms: [[family === "ip" ? "-4" : "-6", "-j", "route", "show", "table", "all"]],
  take: json((objects, draft) => readRoutes(objects, draft, { family, table: "all" })),
});

const rulesOf = (family: IpFamily): Listing => ({
  section: "policy rules",
  family,
  program: "ip",
  forms: [[family === "ip" ? "-4" : "-6", "-j", "rule", "show"]],
  take: json((objects, draft) => readPolicyRules(objects, draft, family)),
});

const LISTINGS: readonly Listing[] = [
  {
    section: "links",
    family: null,
    program: "ip",
    forms: [["-j", "-d", "address", "show"]],
    take: json(readLinks),
  },
  routesOf("ip"),
  routesOf("ip6"),
  rulesOf("ip"),
  rulesOf("ip6"),
  {
    section: "neighbours",
    family: null,
    program: "ip",
    forms: [["-j", "neighbour", "show"]],
    take: json(readNeighbours),
  },
  {
    section: "forwarding database",
    family: null,
    program: "bridge",
    forms: [["-j", "fdb", "show"]],
    take: (text, draft) => readForwardingDatabase(objectsOf(JSON.parse(withoutStub(text))), draft),
  },
  {
    section: "sockets",
    family: null,
    program: "ss",
    forms: [["-HOanptuwm"], ["-anptuw"]],
    take: (text, draft) => readHostListing("sockets", text, draft),
  },
];

/** iproute2 6.1 prints `[` and no more where there is no entry. */
function withoutStub(text: string): string {
  return /^\s*\[?\s*$/.test(text) ? "[]" : text;
}

async function list(listing: Listing, netns: string | null, draft: HostDraft): Promise<void> {
  const { section, family, program, forms, take } = listing;
  let last: HostRefusal | null = null;
  for (const args of forms) {
    const run = await runSuccessfully(program, args, {
      netns,
      timeLimitMs: TIME_LIMIT_MS,
      outputLimitBytes: OUTPUT_LIMIT,
    });
    if (run.ok) {
      try {
        take(run.value, draft);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        draft.absent(
          section,
          `${program} ${args.join(" ")} printed no whole JSON`,
          "a newer iproute2 may",
          family,
        );
      }
      return;
    }
    last = run.error;
    if (last.kind !== "program-failed") break;
  }
  if (last !== null) draft.absent(section, last.message, last.hint, family);
}

async function readRules(
  given: readonly RulesetText[] | "read",
  netns: string | null,
  draft: HostDraft,
): Promise<void> {
  const texts = given === "read" ? await listRules(netns, draft) : given;
  if (texts === null) return;
  draft.rulesets(texts.map(({ command, text }) => ({ command, text })));
  // Sets of nftables are part of its listing; those of ipset have their own tool.
  if (texts.some(({ text }) => text.includes("--match-set"))) await readIpsets(netns, draft);
}

/** Null where they could not be read. */
async function listRules(netns: string | null, draft: HostDraft): Promise<readonly RulesetText[] | null> {
  const read = await readRulesetTexts(netns);
  if (!read.ok) {
    draft.absent("rulesets", read.error.message, read.error.hint);
    return null;
  }
  for (const { message, hint } of read.value.refusals) draft.absent("rulesets", message, hint);
  return read.value.texts;
}

async function readIpsets(netns: string | null, draft: HostDraft): Promise<void> {
  if (findProgram("ipset") === null) {
    const { hint } = missingProgram("ipset");
    draft.absent("ipsets", "rules ask ipsets, and the program ipset is not installed", hint);
    return;
  }
  const run = await runSuccessfully("ipset", ["save"], { netns, timeLimitMs: TIME_LIMIT_MS });
  if (run.ok) draft.rulesets([{ command: "ipset save", text: run.value }]);
  else draft.absent("ipsets", run.error.message, run.error.hint);
}
