import { describe, expect, it } from "vitest";
import { runProcess, runSuccessfully, startProcess } from "../../src/linux/process.ts";

const node = process.execPath;
const script = (code: string) => ["-e", code];

describe("running a program", () => {
  it("gives what it wrote and how it ended", async () => {
    const run = await runProcess(
      node,
      script("process.stdout.write('out'); console.error('err'); process.exitCode = 7"),
    );
    expect(run).toEqual({ ok: true, value: { status: 7, signal: null, stdout: "out", stderr: "err\n" } });
  });

  it("hands arguments over as they are, past any shell", async () => {
    const run = await runProcess(node, ["-e", "console.log(process.argv[1])", "$(id) ; 'x' *"]);
    expect(run.ok && run.value.stdout).toBe("$(id) ; 'x' *\n");
  });

  it("gives it the input, and survives a program that does not read it", async () => {
    const read = await runProcess(node, script("process.stdin.pipe(process.stdout)"), { input: "hello" });
    expect(read.ok && read.value.stdout).toBe("hello");
    const deaf = await runProcess(node, script("process.exit(0)"), { input: "x".repeat(1 << 20) });
    expect(deaf.ok && deaf.value.status).toBe(0);
  });

  it("is refused when it is not there, with the Debian package", async () => {
    const run = await runProcess("nfpath-no-such-program", []);
    expect(run).toMatchObject({ ok: false, error: { kind: "missing-program" } });
    const { missingProgram } = await import("../../src/linux/process.ts");
    expect(missingProgram("nft").hint).toContain("apt-get install nftables");
  });

  it("is refused when it takes too long, and is ended", async () => {
    const run = await runProcess(node, script("setInterval(() => {}, 1000)"), { timeLimitMs: 300 });
    expect(run).toMatchObject({ ok: false, error: { kind: "program-timed-out" } });
  });

  it("is refused when it writes too much, and is ended", async () => {
    const endless = "const w = () => process.stdout.write('x'.repeat(65536), w); w()";
    const run = await runProcess(node, script(endless), { outputLimitBytes: 100_000 });
    expect(run).toMatchObject({ ok: false, error: { kind: "too-much-output" } });
  });

  it("tells a signal from an exit status", async () => {
    const run = await runProcess(node, script("process.kill(process.pid, 'SIGTERM')"));
    expect(run).toMatchObject({ ok: true, value: { status: null, signal: "SIGTERM" } });
  });

  it("speaks English and UTC", async () => {
    const run = await runProcess(node, script("console.log(process.env.LC_ALL, process.env.TZ)"));
    expect(run.ok && run.value.stdout).toBe("C UTC\n");
  });

  it("is refused in a namespace that is not there", async () => {
    const run = await runProcess(node, script(""), { netns: "nfpTnone" });
    expect(run).toMatchObject({ ok: false, error: { kind: "missing-netns" } });
  });
});

describe("a program that must succeed", () => {
  it("gives its output, or a refusal with the first line it said", async () => {
    expect(await runSuccessfully(node, script("console.log('fine')"))).toEqual({ ok: true, value: "fine\n" });
    const failed = await runSuccessfully(
      node,
      script("console.error('no such table\\nmore'); process.exit(1)"),
    );
    expect(failed.ok).toBe(false);
    expect(failed.ok ? "" : failed.error.message).toMatch(/ended with status 1: no such table$/);
  });
});

describe("a program that is kept running", () => {
  it("ends when its standard input does", async () => {
    const started = startProcess(node, script("process.stdin.resume()"));
    if (!started.ok) throw new Error(started.error.message);
    started.value.stdin.end();
    expect(await started.value.exited).toEqual({ status: 0, signal: null, error: null });
  });
});
