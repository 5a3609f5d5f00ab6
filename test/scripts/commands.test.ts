/**
 * `npm start` and `npm test` in a tree of their own: the real scripts, and around them a set-up, a program and a test
 * runner that only say how they were called.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
let tree: string;

beforeEach(() => {
  tree = realpathSync(mkdtempSync(join(tmpdir(), "nfpath-commands-")));
  cpSync(join(root, "scripts"), join(tree, "scripts"), { recursive: true });
  write("package.json", `{ "type": "module" }`);
  setUpWill("return true;");
});

afterEach(() => rmSync(tree, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
}

function setUpWill(body: string): void {
  write(
    "scripts/setup.js",
    `export const projectRoot = ${JSON.stringify(tree)};\nexport async function setUp() { ${body} }\n`,
  );
}

function runScript(script: string, ...args: readonly string[]) {
  return spawnSync(process.execPath, [join(tree, "scripts", script), ...args], { encoding: "utf8" });
}

describe("npm start", () => {
  /** Messages of what the machine lacks, by backend. */
  function machineLacks(lacks: Readonly<Record<"legacy" | "nft", string | null>>): void {
    write(
      "dist/lab/requirements.js",
      `const lacks = ${JSON.stringify(lacks)};
       export async function whatTheLabLacks(backend) {
         return lacks[backend] === null ? null : { message: lacks[backend], hint: "do this" };
       }`,
    );
    programEndsWith(4);
  }

  function programEndsWith(status: number): void {
    write("dist/cli/main.js", `console.log(process.argv.slice(2).join(" ")); process.exitCode = ${status};`);
  }

  it("runs the lab live, and ends as it ends", () => {
    machineLacks({ legacy: null, nft: null });
    const { stdout, stderr, status } = runScript("start.js");
    expect(stdout).toBe("lab docker-udp run\n");
    expect(stderr).toBe("");
    expect(status).toBe(4);
  });

  it("explains the recording too when the lab turns out to be refused", () => {
    machineLacks({ legacy: null, nft: null });
    programEndsWith(3);
    const { stdout, stderr } = runScript("start.js");
    expect(stdout).toMatch(/^lab docker-udp run\nexplain examples.*\n$/);
    expect(stderr).toBe("nfpath: so this is the recorded run of the same experiment\n");
  });

  it("takes the nft variant of iptables where the legacy tables are gone", () => {
    machineLacks({ legacy: "no legacy tables", nft: null });
    const { stdout, stderr } = runScript("start.js");
    expect(stdout).toBe("lab docker-udp run --backend nft\n");
    expect(stderr).toBe(
      "nfpath: no legacy tables, so this is the experiment with the nft variant of iptables\n",
    );
  });

  it("explains the recording that ships with it where nothing live can run, and says why in one line", () => {
    machineLacks({ legacy: "not root", nft: "not root" });
    const { stdout, stderr } = runScript("start.js");
    expect(stdout).toBe("explain examples/docker-udp/trace.log examples/docker-udp/iptables-save.txt\n");
    expect(stderr).toBe(
      "nfpath: not root, so this is the recorded run of the same experiment; to see it live, do this\n",
    );
  });

  it("runs nothing when set-up did not succeed", () => {
    setUpWill("return false;");
    const { stdout, status } = runScript("start.js");
    expect(stdout).toBe("");
    expect(status).toBe(1);
  });
});

describe("npm test", () => {
  const vitestWill = (program: string) => write("node_modules/vitest/vitest.mjs", program);

  it("ends with the line of the tests and their status, and passes arguments on", () => {
    vitestWill(`
      import { writeFileSync } from "node:fs";
      console.log(process.argv.slice(2).join(" "));
      writeFileSync(process.env.NFPATH_TEST_SUMMARY_FILE, "7 passed, 1 failed, 2 skipped");
      process.exitCode = 1;`);
    const { stdout, status } = runScript("test.js", "test/core", "-t", "a name");
    expect(stdout).toBe("run test/core -t a name\n7 passed, 1 failed, 2 skipped\n");
    expect(status).toBe(1);
  });

  it.each([
    ["does not start", "throw new Error('no');"],
    ["is killed", "process.kill(process.pid, 'SIGKILL');"],
    ["ends well without having run", ""],
  ])("counts a failure when the runner %s", (_name, program) => {
    vitestWill(program);
    const { stdout, status } = runScript("test.js");
    expect(stdout).toBe("0 passed, 1 failed, 0 skipped\n");
    expect(status).toBe(1);
  });

  it("counts a failure when set-up did not succeed", () => {
    setUpWill("return false;");
    const { stdout, status } = runScript("test.js");
    expect(stdout).toBe("0 passed, 1 failed, 0 skipped\n");
    expect(status).toBe(1);
  });
});
