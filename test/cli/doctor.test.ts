/** `nfpath doctor` as a person or a program runs it, with or without root. */
import { describe, expect, test } from "vitest";
import { nfpath } from "../support/cli.ts";

interface CheckObject {
  readonly id: string;
  readonly status: string;
  readonly what: string;
  readonly cause: string | null;
  readonly mend: readonly string[];
}

describe.skipIf(process.platform !== "linux")("nfpath doctor", () => {
  test("gives its report to programs, and its status says whether a trace will work", async () => {
    const { status, stdout, stderr } = await nfpath(["doctor", "--canary", "none", "--format", "json"]);
    const report: {
      schema: string;
      willWork: boolean;
      host: CheckObject[];
      namespaces: { netns: string | null; checks: CheckObject[] }[];
      canaries: unknown[];
    } = JSON.parse(stdout);
    expect([report.schema, report.canaries]).toEqual(["nfpath/doctor@1", []]);
    expect(report.namespaces.map(({ netns }) => netns)).toEqual([null]);
    const checks = [...report.host, ...report.namespaces.flatMap((namespace) => namespace.checks)];
    expect(checks.length).toBeGreaterThan(20);
    for (const { status: answer, what, cause, mend } of checks) {
      expect(["ok", "warning", "failed", "skipped"]).toContain(answer);
      expect(what).not.toBe("");
      const isIll = answer === "warning" || answer === "failed";
      expect([cause !== null, mend.length > 0]).toEqual([isIll, isIll]);
    }
    const hasFailed = checks.some((check) => check.status === "failed");
    expect([report.willWork, status]).toEqual([!hasFailed, hasFailed ? 3 : 0]);
    expect(stderr).toMatch(/^a trace will (not )?work here: \d+ failed, warnings: \d+, not known: \d+\n$/);
  });

  test("gives people a line a check, and the command below what is not well", async () => {
    const { stdout } = await nfpath(["doctor", "--canary", "none"]);
    expect(stdout).toMatch(/^this host\n/);
    expect(stdout).toMatch(/^.{2} kernel +Linux \d/m);
    expect(stdout).toContain("\nthe namespace nfpath runs in\n");
  });

  test("a reader that goes away ends it quietly", async () => {
    const { stderr } = await nfpath(["doctor", "--canary", "none"], { closesEarly: true });
    expect(stderr).not.toMatch(/defect|EPIPE/);
  });

  test.each<[string, string[], RegExp]>([
    [
      "a namespace that is not there",
      ["--netns", "nfp-none"],
      /^nfpath: there is no network namespace nfp-none;.*\n$/,
    ],
    ["a canary in a namespace that is not named", ["--canary", "here"], /add --netns NAME\n$/],
    ["a format it does not have", ["--format", "md"], /Allowed choices are tree, json/],
  ])("%s is refused in one line", async (_name, words, message) => {
    const { status, stdout, stderr } = await nfpath(["doctor", ...words]);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  });
});
