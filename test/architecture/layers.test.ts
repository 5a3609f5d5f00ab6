/**
 * The layers are data in biome.json and tsconfig.json; here each rule is broken once to see it fail, because a
 * guard that stopped guarding looks exactly like a tidy project. The probes live in a directory of their own with
 * the project's real configuration.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");

const RESTRICTED_IMPORT = "lint/style/noRestrictedImports";
const RESTRICTED_GLOBAL = "lint/style/noRestrictedGlobals";
const REFERENCE = "lint/nursery/noTripleSlashReference";
const OWN_RULE = "plugin";

const importing = (specifier: string): string => `export { probe } from "${specifier}";\n`;

/** Folder of the importing file, what it imports, and the rule that must object. */
const REFUSED: readonly (readonly [folder: string, source: string, rule: string])[] = [
  ["src/core/base", importing("../netfilter/hook.ts"), RESTRICTED_IMPORT],
  ["src/core/netfilter", importing("../packets/packet.ts"), RESTRICTED_IMPORT],
  ["src/core/packets", importing("../events/event.ts"), RESTRICTED_IMPORT],
  ["src/core/events", importing("../rulesets/ruleset.ts"), RESTRICTED_IMPORT],
  ["src/core/events/decode", importing("../../rulesets/ruleset.ts"), RESTRICTED_IMPORT],
  ["src/core/events/decode/netlink", importing("../../../rulesets/ruleset.ts"), RESTRICTED_IMPORT],
  ["src/core/filters", importing("../rulesets/ruleset.ts"), RESTRICTED_IMPORT],
  ["src/core/rulesets", importing("../filters/filter.ts"), RESTRICTED_IMPORT],
  ["src/core/journeys", importing("../diagnosis/finding.ts"), RESTRICTED_IMPORT],
  ["src/core/diagnosis", importing("../views/tree.ts"), RESTRICTED_IMPORT],
  ["src/core/filters", importing("../plans/plan.ts"), RESTRICTED_IMPORT],
  ["src/core/plans", importing("../packets/packet.ts"), RESTRICTED_IMPORT],
  ["src/core/hooks", importing("../views/tree.ts"), RESTRICTED_IMPORT],
  ["src/core/rulesets", importing("../hooks/hook-map.ts"), RESTRICTED_IMPORT],
  ["src/core/hosts", importing("../events/event.ts"), RESTRICTED_IMPORT],
  ["src/core/hosts/decode", importing("../../rulesets/ruleset.ts"), RESTRICTED_IMPORT],
  ["src/core/journeys", importing("../hosts/host.ts"), RESTRICTED_IMPORT],
  [
    "src/core/packets",
    `import type { Probe } from "../events/event.ts";\nexport type P = Probe;\n`,
    RESTRICTED_IMPORT,
  ],
  ["src/core/packets", `export const probe = await import("../events/event.ts");\n`, RESTRICTED_IMPORT],
  ["src/core/packets", `export type Probe = import("../events/event.ts").Probe;\n`, OWN_RULE],
  ["src/core/packets", `export type Probe = typeof import("../events/event.ts");\n`, OWN_RULE],
  ["src/core/views", importing("../../linux/process.ts"), RESTRICTED_IMPORT],
  ["src/core", importing("../linux/process.ts"), RESTRICTED_IMPORT],
  ["src/core/a-layer-of-tomorrow", importing("../../linux/process.ts"), RESTRICTED_IMPORT],
  ["src/core/views", importing("picocolors"), RESTRICTED_IMPORT],
  ["src/linux", importing("../sources/kmsg.ts"), RESTRICTED_IMPORT],
  ["src/sources", importing("../tracing/arm.ts"), RESTRICTED_IMPORT],
  ["src/tracing", importing("../lab/docker-udp.ts"), RESTRICTED_IMPORT],
  ["src/lab", importing("../app/explain.ts"), RESTRICTED_IMPORT],
  ["src/app", importing("../cli/main.ts"), RESTRICTED_IMPORT],
  ["src/app/explain", importing("../../cli/main.ts"), RESTRICTED_IMPORT],
  ["src/app", importing("commander"), RESTRICTED_IMPORT],
  ["src/tracing", importing("koffi"), RESTRICTED_IMPORT],
  ["src/linux", importing("koffi"), RESTRICTED_IMPORT],
  ["src/linux", importing("node:child_process"), RESTRICTED_IMPORT],
  ["src/lab", importing("node:child_process"), RESTRICTED_IMPORT],
  ["src/cli", importing("node:child_process"), RESTRICTED_IMPORT],
  ["web", importing("../src/app/explain.ts"), RESTRICTED_IMPORT],
  ["src/core/base", importing("node:fs"), "lint/correctness/noNodejsModules"],
  ["src/core/base", "export const probe = () => process.argv;\n", RESTRICTED_GLOBAL],
  ["src/core/base", "export const probe = () => Buffer.alloc(1);\n", RESTRICTED_GLOBAL],
  ["src/core/base", "export const probe = () => new TextDecoder();\n", RESTRICTED_GLOBAL],
  ["src/core/base", "export const probe = () => performance.now();\n", RESTRICTED_GLOBAL],
  ["src/core/base", "export const probe = () => setTimeout(probe, 1);\n", RESTRICTED_GLOBAL],
  ["src/core/base", "export const probe = () => Math.random();\n", OWN_RULE],
  ["src/core/base", "export const probe = () => Date.now();\n", OWN_RULE],
  ["src/core/base", "export const probe = () => new Date();\n", OWN_RULE],
  ["src/core/base", `/// <reference types="node" />\nexport const probe = 1;\n`, REFERENCE],
  ["src/core/base", `/// <reference lib="dom" />\nexport const probe = 1;\n`, REFERENCE],
  ["src/app", "export const probe = () => console.log(1);\n", "lint/suspicious/noConsole"],
];

const ALLOWED: readonly (readonly [folder: string, source: string])[] = [
  ["src/core/netfilter", importing("../base/result.ts")],
  ["src/core/events/decode", importing("../../packets/packet.ts")],
  ["src/core/events/decode", importing("../event.ts")],
  ["src/core/events/decode/netlink", importing("../../../packets/packet.ts")],
  ["src/core/events/decode/netlink", importing("../text/lines.ts")],
  ["src/core/views", importing("../diagnosis/finding.ts")],
  ["src/core/views", importing("../hooks/hook-map.ts")],
  ["src/core/hosts/decode", importing("../../packets/address.ts")],
  ["src/core/diagnosis", importing("../hosts/host.ts")],
  ["src/core/filters", importing("ipaddr.js")],
  ["src/core", importing("./views/tree.ts")],
  ["src/core/base", "export const probe = (milliseconds: number) => new Date(milliseconds).toISOString();\n"],
  ["src/linux", importing("node:fs")],
  ["src/linux", importing("node:timers/promises")],
  ["src/linux/netlink", importing("../libc.ts")],
  ["src/lab", importing("../core/base/result.ts")],
  ["src/app/explain", importing("../../core/base/result.ts")],
  ["src/cli", importing("commander")],
  ["src/cli", "export const probe = () => console.log(1);\n"],
  ["web", importing("../src/core/index.ts")],
];

interface Diagnostic {
  readonly category: string;
  readonly location: { readonly path: string };
}

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "nfpath-layers-"));
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
});

afterAll(() => rmSync(directory, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(directory, path)), { recursive: true });
  writeFileSync(join(directory, path), text);
}

describe("biome refuses what a layer must not do", () => {
  /** Rules that objected, by file. */
  const objections = new Map<string, string[]>();

  beforeAll(() => {
    const configuration = JSON.parse(readFileSync(join(root, "biome.json"), "utf8"));
    write("biome.json", JSON.stringify({ ...configuration, vcs: { enabled: false } }));
    cpSync(join(root, "scripts", "lint"), join(directory, "scripts", "lint"), { recursive: true });
    for (const [index, [folder, source]] of REFUSED.entries()) write(`${folder}/refused-${index}.ts`, source);
    for (const [index, [folder, source]] of ALLOWED.entries()) write(`${folder}/allowed-${index}.ts`, source);
    write("src/linux/process.ts", importing("node:child_process"));
    write("src/linux/libc.ts", importing("koffi"));
    write("src/app/cycle-a.ts", `import { b } from "./cycle-b.ts";\nexport const a = () => b;\n`);
    write("src/app/cycle-b.ts", `import { a } from "./cycle-a.ts";\nexport const b = () => a;\n`);
    const { stdout, stderr } = spawnSync(
      join(root, "node_modules", ".bin", "biome"),
      ["lint", "--reporter=json", "--max-diagnostics=none", "."],
      { cwd: directory, encoding: "utf8" },
    );
    if (stdout === "") throw new Error(stderr);
    for (const { category, location } of JSON.parse(stdout).diagnostics as readonly Diagnostic[]) {
      objections.set(location.path, [...(objections.get(location.path) ?? []), category]);
    }
  });

  it.each(REFUSED.map((probe, index) => [...probe, index] as const))(
    "%s: %s",
    (folder, _source, rule, index) => {
      expect(objections.get(`${folder}/refused-${index}.ts`) ?? []).toContain(rule);
    },
  );

  it.each(ALLOWED.map((probe, index) => [...probe, index] as const))(
    "but not %s: %s",
    (folder, _source, index) => {
      expect(objections.get(`${folder}/allowed-${index}.ts`)).toBeUndefined();
    },
  );

  it("nor the two files that are the doors to processes and to C", () => {
    expect(objections.get("src/linux/process.ts")).toBeUndefined();
    expect(objections.get("src/linux/libc.ts")).toBeUndefined();
  });

  it("circles of imports", () => {
    expect(objections.get("src/app/cycle-a.ts")).toContain("lint/suspicious/noImportCycles");
  });
});

describe("the compiler refuses the host in src/core", () => {
  /** What each probe says that only Node or a page has, and the compiler's words for not knowing it. */
  const PROBES = {
    "process.ts": ["export const probe = process.argv;\n", "Cannot find name 'process'"],
    "node-module.ts": [`import { readFileSync } from "node:fs";\nexport { readFileSync };\n`, "'node:fs'"],
    "page.ts": ["export const probe = document.title;\n", "Cannot find name 'document'"],
    "timer.ts": ["export const probe = setTimeout;\n", "Cannot find name 'setTimeout'"],
    "above.ts": [
      `import type { Probe } from "../linux/probe.ts";\nexport type P = Probe;\n`,
      "not under 'rootDir'",
    ],
  } as const;
  let complaints: string;

  beforeAll(() => {
    for (const file of ["tsconfig.base.json", "src/core/tsconfig.json"]) {
      write(`compiled/${file}`, readFileSync(join(root, file), "utf8"));
    }
    write("compiled/src/linux/probe.ts", "export interface Probe {}\n");
    for (const [file, [source]] of Object.entries(PROBES)) write(`compiled/src/core/${file}`, source);
    complaints = spawnSync(
      process.execPath,
      [
        join(root, "node_modules", "typescript", "bin", "tsc"),
        "-p",
        "compiled/src/core",
        "--noEmit",
        "--pretty",
        "false",
      ],
      { cwd: directory, encoding: "utf8" },
    ).stdout;
  });

  it.each(Object.entries(PROBES))("%s", (file, [, words]) => {
    const about = complaints
      .split("\n")
      .filter((line) => line.includes(file.replace("above.ts", "probe.ts")));
    expect(about.join("\n")).toContain(words);
  });
});
