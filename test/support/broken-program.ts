/**
 * The built program with a piece of its undo taken out, to see that the tests of the undo notice, or with a defect that throws at
 * some stage. The product has no switch for it: a copy of the build is changed.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./cli.ts";

interface Break {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const BREAKS = {
  settings: {
    file: "linux/undo/revert-setting.js",
    from: "inside(() => writeSetting(action))",
    to: "{ ok: true, value: 'already' }",
  },
  rules: {
    file: "linux/undo/revert-rules.js",
    from: "inside(() => deleteRule(rule, lockFd))",
    to: "{ ok: true, value: 0 }",
  },
  journals: {
    file: "linux/undo/durable-file.js",
    from: "rmSync(path, { force: true });\n    syncDirectory",
    to: "syncDirectory",
  },
} as const satisfies Readonly<Record<string, Break>>;

const DEFECT = 'throw new Error("a defect");';

/** Defects by stage: before the first change, in the middle of the marking's, when the marking has ended or is about to. */
export const DEFECTS = {
  before: () => before("linux/undo/journal.js", "const own = identifyProcess(process.pid);"),
  "half-way": (mechanism: "nft" | "iptables") =>
    mechanism === "nft"
      ? before("tracing/trace.js", "const made = await session.make(")
      : before(
          "sources/collector/collector.js",
          "const outcome = insideNetns(collectorAt(collectors, index).handle, () => appendRule",
          'if (rule.chain === "OUTPUT")',
        ),
  ending: () => before("tracing/running-trace.js", "const ended = await this.#source.end();"),
} as const satisfies Readonly<Record<string, (mechanism: "nft" | "iptables") => Break>>;

function before(file: string, from: string, when = ""): Break {
  return { file, from, to: `${when} ${DEFECT}\n${from}` };
}

export interface BrokenProgram {
  /** The folder of the built program. */
  readonly program: string;
  readonly remove: () => void;
}

export function brokenProgram({ file, from, to }: Break): BrokenProgram {
  const directory = mkdtempSync(join(tmpdir(), "nfpath-broken-"));
  const program = join(directory, "dist");
  cpSync(join(root, "dist"), program, { recursive: true });
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  cpSync(join(root, "package.json"), join(directory, "package.json"));
  const source = readFileSync(join(program, file), "utf8");
  if (!source.includes(from)) throw new Error(`${file} has no ${from}`);
  writeFileSync(join(program, file), source.replace(from, to));
  return { program, remove: () => rmSync(directory, { recursive: true }) };
}
