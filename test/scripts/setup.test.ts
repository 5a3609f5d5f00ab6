/** Set-up's parts on directories of their own; nothing here installs or builds anything. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { buildIsCurrent } from "../../scripts/setup/build.js";
import { withLock } from "../../scripts/setup/lock.js";
import { complaintAboutNode } from "../../scripts/setup/node-version.js";
import { packagesAreInstalled } from "../../scripts/setup/npm-packages.js";
import { missingSystemPackages, TEST_PACKAGES } from "../../scripts/setup/system-packages.js";

const root = join(import.meta.dirname, "..", "..");
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "nfpath-setup-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

describe("the version of Node", () => {
  it.each(["20.19.0", "20.20.2", "22.0.0", "24.1.0"])("%s will do", (version) => {
    expect(complaintAboutNode(version, ">=20.19")).toBeNull();
  });

  it.each(["20.18.3", "18.20.4", "12.22.12"])("%s will not", (version) => {
    expect(complaintAboutNode(version, ">=20.19")).toContain(
      `this is Node ${version}, and nfpath needs 20.19`,
    );
  });
});

describe("npm's packages", () => {
  const lock = (versions: Record<string, object>) => JSON.stringify({ packages: { "": {}, ...versions } });
  const wanted = lock({
    "node_modules/a": { version: "1.0.0" },
    "node_modules/other-platform": { version: "2.0.0", optional: true },
  });

  beforeEach(() => {
    mkdirSync(join(directory, "node_modules"));
    writeFileSync(join(directory, "package-lock.json"), wanted);
  });

  const installed = (text: string) =>
    writeFileSync(join(directory, "node_modules", ".package-lock.json"), text);

  it("are not there when npm did not finish", () => {
    expect(packagesAreInstalled(directory)).toBe(false);
  });

  it("are there without the native parts of other platforms", () => {
    installed(lock({ "node_modules/a": { version: "1.0.0" } }));
    expect(packagesAreInstalled(directory)).toBe(true);
  });

  it("are not there in another version", () => {
    installed(lock({ "node_modules/a": { version: "1.0.1" } }));
    expect(packagesAreInstalled(directory)).toBe(false);
  });
});

describe("the build", () => {
  const OLD = new Date(2020, 0, 1);
  const YOUNG = new Date(2021, 0, 1);
  const files = [
    "package.json",
    "package-lock.json",
    "tsconfig.base.json",
    "tsconfig.build.json",
    "src/core/a.ts",
    "dist/.stamp",
  ];

  beforeEach(() => {
    mkdirSync(join(directory, "src", "core"), { recursive: true });
    mkdirSync(join(directory, "dist"));
    for (const file of files) writeFileSync(join(directory, file), "");
    for (const path of [...files, "src", "src/core"]) utimesSync(join(directory, path), OLD, OLD);
  });

  it("is current when nothing is younger", () => {
    expect(buildIsCurrent(directory)).toBe(true);
  });

  it.each(["src/core/a.ts", "src/core", "package-lock.json", "tsconfig.base.json"])(
    "is not when %s is",
    (path) => {
      utimesSync(join(directory, path), YOUNG, YOUNG);
      expect(buildIsCurrent(directory)).toBe(false);
    },
  );

  it("is not without a stamp", () => {
    rmSync(join(directory, "dist", ".stamp"));
    expect(buildIsCurrent(directory)).toBe(false);
  });
});

describe.skipIf(process.platform !== "linux")("the system's packages (Linux only)", () => {
  it("are missing only where a program is in no directory of the search path", () => {
    for (const program of TEST_PACKAGES.flatMap(({ programs }) => programs)) {
      writeFileSync(join(directory, program), "");
      chmodSync(join(directory, program), 0o755);
    }
    expect(missingSystemPackages(TEST_PACKAGES, directory)).toEqual([]);
    expect(missingSystemPackages([], directory)).toEqual([]);
    const [first] = TEST_PACKAGES;
    const absent = { name: "absent", programs: [...(first?.programs ?? []), "no-such-program"], purpose: "" };
    expect(missingSystemPackages([...TEST_PACKAGES, absent], directory)).toEqual([absent]);
  });
});

describe("the lock", () => {
  const lock = () => join(directory, "deep", "setup.lock");

  it("is held while the work runs, and gone afterwards", async () => {
    const heldBy = await withLock(lock(), () => readFileSync(join(lock(), "pid"), "utf8"));
    expect(heldBy).toBe(String(process.pid));
    expect(existsSync(lock())).toBe(false);
  });

  it("is let go when the work fails", async () => {
    await expect(withLock(lock(), () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(existsSync(lock())).toBe(false);
  });

  it("is taken over from a holder that died", async () => {
    const { pid } = spawnSync(process.execPath, ["--eval", ""]);
    mkdirSync(lock(), { recursive: true });
    writeFileSync(join(lock(), "pid"), String(pid));
    await expect(withLock(lock(), () => "done", { patienceMs: 0 })).resolves.toBe("done");
  });

  it("is not taken from a holder that lives, and the refusal says who and what to do", async () => {
    mkdirSync(lock(), { recursive: true });
    writeFileSync(join(lock(), "pid"), String(process.pid));
    await expect(withLock(lock(), () => "done", { patienceMs: -1 })).rejects.toThrow(
      `(process ${process.pid}) does not end; if it is gone, delete ${lock()}`,
    );
  });

  it("lets one of many processes work at a time", async () => {
    const log = join(directory, "log");
    const program = `
      import { appendFileSync } from "node:fs";
      import { withLock } from ${JSON.stringify(pathToFileURL(join(root, "scripts/setup/lock.js")).href)};
      await withLock(${JSON.stringify(lock())}, async () => {
        appendFileSync(${JSON.stringify(log)}, "in ");
        await new Promise((resolve) => setTimeout(resolve, 20));
        appendFileSync(${JSON.stringify(log)}, "out ");
      });`;
    const statuses = await Promise.all(
      Array.from({ length: 4 }, () => {
        const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
          stdio: "ignore",
        });
        return new Promise((resolve) => child.once("exit", resolve));
      }),
    );
    expect(statuses).toEqual([0, 0, 0, 0]);
    expect(readFileSync(log, "utf8")).toBe("in out ".repeat(4));
  });
});
