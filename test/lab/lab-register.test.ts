import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

import { LabRegister } from "../../src/lab/lab-register.ts";

let directory: string;
let register: LabRegister;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "nfpath-register-"));
  register = new LabRegister(join(directory, "labs"));
});

afterEach(() => rmSync(directory, { recursive: true }));

it("is empty before the first lab", () => {
  expect(register.labs()).toEqual([]);
});

it("calls a lab abandoned when a person keeps it or its process has died, and no other", () => {
  const { pid: dead } = spawnSync(process.execPath, ["--eval", ""]);
  register.add({ id: "000001", owner: null });
  register.add({ id: "000002", owner: dead });
  register.add({ id: "000003", owner: process.pid });
  expect(register.labs()).toHaveLength(3);
  expect(register.abandoned()).toEqual([
    { id: "000001", owner: null },
    { id: "000002", owner: dead },
  ]);
});

it("forgets a lab, once and again", () => {
  register.add({ id: "000001", owner: null });
  register.remove("000001");
  register.remove("000001");
  expect(register.labs()).toEqual([]);
});

it("takes no other file for a lab: names of namespaces to delete are made from it", () => {
  register.add({ id: "000001", owner: null });
  for (const name of ["0000001", "00000g", "--help", ".000001"])
    writeFileSync(join(register.directory, name), "");
  expect(register.labs()).toEqual([{ id: "000001", owner: null }]);
});

it("refuses a lab that it cannot note down", () => {
  writeFileSync(join(directory, "file"), "");
  const added = new LabRegister(join(directory, "file", "labs")).add({ id: "000001", owner: null });
  expect(added).toMatchObject({ ok: false, error: { kind: "not-permitted" } });
});
