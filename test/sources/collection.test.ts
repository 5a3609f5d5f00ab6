import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openCollection } from "../../src/sources/collection.ts";

const MANIFEST = `nfpath collection 1
filter udp port 9
file rules rules.txt
file trace trace.log
file nflog trace.pcap
file facts network.txt
file facts interfaces.txt
file trace ../../etc/passwd
note the rules changed
end 2026-01-31T12:00:00
`;

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "nfpath-collection-"));
  const collected = join(directory, "nfpath-host");
  mkdirSync(collected);
  writeFileSync(join(collected, "MANIFEST"), MANIFEST);
  writeFileSync(join(collected, "rules.txt"), "*filter\nCOMMIT\n");
  writeFileSync(join(collected, "trace.log"), `${"x".repeat(700)}é\n`);
  writeFileSync(join(collected, "trace.pcap"), "pcap");
  writeFileSync(join(collected, "network.txt"), "# ip route show table all\n");
  writeFileSync(join(collected, "interfaces.txt"), "1 lo\n7 eth0\n");
  execFileSync("tar", ["-cf", "collected.tar", "nfpath-host"], { cwd: directory });
});

afterEach(() => rmSync(directory, { recursive: true }));

async function textOf(chunks: AsyncIterable<string> | undefined): Promise<string> {
  let text = "";
  for await (const chunk of chunks ?? []) text += chunk;
  return text;
}

describe.each(["nfpath-host", "collected.tar"])("a collection as %s", (name) => {
  test("gives its traces, rules, captures and notes", async () => {
    const opened = openCollection(join(directory, name));
    if (opened === null || !opened.ok) throw new Error("not opened");
    const { traces, rules, captures, facts, notes } = opened.value;
    expect(await textOf(facts[0]?.chunks())).toBe("# ip route show table all\n");
    expect(facts).toHaveLength(1);
    expect(traces.map((input) => input.name)).toEqual([join(directory, name, "trace.log")]);
    expect(await textOf(traces[0]?.chunks())).toBe(`${"x".repeat(700)}é\n`);
    expect(await textOf(rules[0]?.chunks())).toBe("*filter\nCOMMIT\n");
    const bytes: Uint8Array[] = [];
    for await (const chunk of captures[0]?.chunks() ?? []) bytes.push(chunk);
    expect(Buffer.concat(bytes).toString()).toBe("pcap");
    expect([captures[0]?.interfaceNames(7), captures[0]?.interfaceNames(8)]).toEqual(["eth0", null]);
    expect(notes).toEqual([
      "the MANIFEST names a file that is not there: trace ../../etc/passwd",
      "the rules changed",
    ]);
  });
});

describe("not a collection", () => {
  test("other directories and archives are refused with what to do", () => {
    expect(openCollection(directory)).toMatchObject({
      ok: false,
      error: { hint: expect.stringContaining("name the files in it") },
    });
    execFileSync("tar", ["-cf", "other.tar", "nfpath-host/rules.txt"], { cwd: directory });
    expect(openCollection(join(directory, "other.tar"))).toMatchObject({
      ok: false,
      error: { hint: "unpack it and name the files" },
    });
  });

  test("a tar that was cut is refused wherever it was cut, and never throws", () => {
    const whole = readFileSync(join(directory, "collected.tar"));
    const cut = join(directory, "cut.tar");
    for (let end = 512; end < 4096; end += 256) {
      writeFileSync(cut, whole.subarray(0, end));
      expect([end, openCollection(cut)?.ok]).not.toEqual([end, true]);
    }
  });

  test("a newer kind of collection is not guessed at", () => {
    writeFileSync(join(directory, "nfpath-host/MANIFEST"), "nfpath collection 9\n");
    expect(openCollection(join(directory, "nfpath-host"))).toMatchObject({ ok: false });
  });

  test("other files are left to others; what is missing too", () => {
    expect(openCollection(join(directory, "nfpath-host/rules.txt"))).toBeNull();
    expect(openCollection(join(directory, "missing"))).toBeNull();
  });

  test("what a killed script left says so", () => {
    writeFileSync(join(directory, "nfpath-host/MANIFEST"), "nfpath collection 1\nfile trace trace.log\n");
    const opened = openCollection(join(directory, "nfpath-host"));
    if (opened === null || !opened.ok) throw new Error("not opened");
    expect(opened.value.notes.join()).toContain("killed before it had finished");
  });
});
