/** Pages, codes, labs and the README's table are in step: each cause has a page with a real example, and each page a cause. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CAUSE_CODES } from "../src/core/diagnosis/finding.ts";
import { SCENARIOS } from "../src/lab/scenarios/catalogue.ts";
import { causesOf, variantsOf } from "../src/lab/scenarios/scenario.ts";
import { nfpath, root } from "./support/cli.ts";

const folder = join(root, "docs", "causes");
const readme = readFileSync(join(root, "README.md"), "utf8");
const pages = readdirSync(folder)
  .filter((name) => name.endsWith(".md"))
  .map((name) => name.slice(0, -".md".length));

const SECTIONS = ["What the kernel does", "Example", "What to try", "What would prove it wrong"];

it("each cause has a page, and each page a cause", () => {
  expect(pages.toSorted()).toEqual([...CAUSE_CODES].toSorted());
});

it("the README leads to each page", () => {
  for (const code of CAUSE_CODES) expect(readme).toContain(`[\`${code}\`](docs/causes/${code}.md)`);
});

/** Of the evidence no scenario has a truth; these come from files or a trace that is made for it. */
it("each cause that the lab can show is shown by a scenario", () => {
  const shown = new Set(SCENARIOS.flatMap(causesOf));
  const others = CAUSE_CODES.filter((code) => !shown.has(code));
  expect(others).toEqual(["offloaded", "rules-missing", "rules-changed", "gap", "not-enough-evidence"]);
});

describe.each([...CAUSE_CODES])("%s", (code) => {
  const page = readFileSync(join(folder, `${code}.md`), "utf8");
  const [, kind = "", rest = ""] = /^<!-- example: (\S+) (.+) -->$/m.exec(page) ?? [];
  const example = /^```\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";

  it("has its sections, and says how grave it is", () => {
    expect(page.startsWith(`# \`${code}\`\n\n`)).toBe(true);
    expect(page).toMatch(/ Severity: .*(error|warning|info)/);
    for (const section of SECTIONS) expect(page).toMatch(new RegExp(`^## ${section}\n\n.{10}`, "m"));
  });

  it("has an example in which nfpath finds it, that fits a terminal", () => {
    expect(example).toMatch(new RegExp(`^   [✘?ⓘ] ${code} `, "m"));
    for (const line of example.split("\n")) expect([...line].length).toBeLessThanOrEqual(80);
  });

  it.runIf(kind === "lab")("is what its scenario shows", () => {
    const [name, variant] = rest.split(" ");
    const scenario = SCENARIOS.find((one) => one.name === name);
    expect(scenario === undefined ? [] : causesOf(scenario)).toContain(code);
    expect(scenario === undefined ? [] : variantsOf(scenario)).toContain(variant);
    expect(page).toContain(`\`nfpath lab run ${name}${variant === "none" ? "" : ` --backend ${variant}`}\``);
  });

  it.runIf(kind === "explain")("is what nfpath says of its files", async () => {
    const { status, stdout } = await nfpath(["explain", ...rest.split(" ").map((file) => join(root, file))]);
    expect(status).toBe(0);
    const said = stdout.replaceAll(root, "").split(/\s+/).join(" ");
    expect(said).toContain(` ${code} `);
    // Of the finding itself every word; times are left out of the page.
    const finding =
      example.slice(example.search(new RegExp(`[✘?ⓘ] ${code} `))).split(/\n {3}[✘?ⓘ] /)[0] ?? "";
    expect(said).toContain(finding.split(/\s+/).join(" ").trim());
  });
});
