/**
 * What the script of `nfpath trace --print-script` leaves: a directory, or a tar of it, with a MANIFEST that says what each
 * file is.
 *
 * The MANIFEST's lines are `nfpath collection 1`, then `KEY VALUE`, of which `file ROLE NAME` and `note TEXT` may repeat.
 */
import { closeSync, createReadStream, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { ok, type Result, refused } from "../core/base/result.ts";
import { isTarHeader, readTar } from "./tar.ts";
import { readTwice, type TextInput } from "./text-input.ts";

export interface Collection {
  readonly name: string;
  /** What the script noticed and a reader of its traces should know. */
  readonly notes: readonly string[];
  readonly traces: readonly TextInput[];
  readonly rules: readonly TextInput[];
  readonly captures: readonly CaptureInput[];
  /** What the host was like: its addresses, routes and settings. */
  readonly facts: readonly TextInput[];
}

/** A capture of netfilter's log, link type NFLOG. */
export interface CaptureInput {
  readonly name: string;
  /** The name of an interface of the host it was made on; null when nobody wrote it down. */
  readonly interfaceNames: (index: number) => string | null;
  chunks(): AsyncIterable<Uint8Array>;
}

/** What is wrong with a directory or an archive, and what to do. */
export interface CollectionProblem {
  readonly detail: string;
  readonly hint: string;
}

const HEADING = "nfpath collection 1";
const MOST_MANIFEST_BYTES = 256 * 1024;

/** The collection at a path; null when it is neither a directory nor a tar, or cannot be opened: a matter for others. */
export function openCollection(path: string): Result<Collection, CollectionProblem> | null {
  const kind = kindOf(path);
  if (kind === null) return null;
  const files = kind === "directory" ? directoryFiles(path) : tarFiles(path);
  if (!files.ok) return files;
  const manifest = files.value.read("MANIFEST");
  if (manifest === null) return refused(kind === "directory" ? PLAIN_DIRECTORY : FOREIGN_TAR);
  return understand(path, manifest, files.value);
}

const PLAIN_DIRECTORY: CollectionProblem = {
  detail: "it is a directory",
  hint: "name the files in it (one that nfpath's script left would have a MANIFEST)",
};

const FOREIGN_TAR: CollectionProblem = {
  detail: "a tar, and not one that nfpath's script left (there is no MANIFEST in it)",
  hint: "unpack it and name the files",
};

function kindOf(path: string): "directory" | "tar" | null {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return "directory";
    if (!stat.isFile()) return null;
    const file = openSync(path, "r");
    try {
      const block = Buffer.alloc(512);
      return readSync(file, block, 0, 512, 0) === 512 && isTarHeader(block) ? "tar" : null;
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return null;
    throw cause;
  }
}

/** Files by name, wherever they are. */
interface Files {
  /** The text of a small file; null when it is not there. */
  readonly read: (name: string) => string | null;
  /** Bytes; null when it is not there. */
  readonly size: (name: string) => number | null;
  readonly stream: (name: string, encoding: BufferEncoding | null) => Readable;
}

function directoryFiles(path: string): Result<Files, CollectionProblem> {
  const size = (name: string): number | null => {
    const stat = statSync(join(path, name), { throwIfNoEntry: false });
    return stat?.isFile() ? stat.size : null;
  };
  return ok({
    size,
    read: (name) => {
      const bytes = size(name);
      return bytes === null || bytes > MOST_MANIFEST_BYTES ? null : readFileSync(join(path, name), "utf8");
    },
    stream: (name, encoding) => createReadStream(join(path, name), encodingOf(encoding)),
  });
}

function tarFiles(path: string): Result<Files, CollectionProblem> {
  const file = openSync(path, "r");
  try {
    const entries = readTar(file, fstatSync(file).size);
    if (entries === null) return refused({ detail: "a damaged tar", hint: "copy it again, in binary mode" });
    const manifest = entries.find((entry) => /^([^/]+\/)?MANIFEST$/.test(entry.name));
    const prefix = manifest?.name.replace(/MANIFEST$/, "") ?? "";
    const byName = new Map(entries.map((entry) => [entry.name, entry]));
    const read = (name: string): string | null => {
      const entry = byName.get(prefix + name);
      if (entry === undefined || entry.size > MOST_MANIFEST_BYTES) return null;
      return textAt(path, entry.offset, entry.size);
    };
    return ok({
      read,
      size: (name) => byName.get(prefix + name)?.size ?? null,
      stream: (name, encoding) => {
        const entry = byName.get(prefix + name);
        if (entry === undefined) throw new Error(`not in the archive: ${name}`);
        const { offset, size } = entry;
        return createReadStream(path, { ...encodingOf(encoding), start: offset, end: offset + size - 1 });
      },
    });
  } finally {
    closeSync(file);
  }
}

function textAt(path: string, offset: number, size: number): string {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(size);
    readSync(file, bytes, 0, size, offset);
    return bytes.toString("utf8");
  } finally {
    closeSync(file);
  }
}

function encodingOf(encoding: BufferEncoding | null): { encoding?: BufferEncoding; highWaterMark: number } {
  return { ...(encoding === null ? {} : { encoding }), highWaterMark: 256 * 1024 };
}

function understand(path: string, manifest: string, files: Files): Result<Collection, CollectionProblem> {
  const [heading, ...lines] = manifest.split("\n");
  if (heading !== HEADING) {
    return refused({
      detail: `its MANIFEST begins with "${heading?.slice(0, 40)}", not with "${HEADING}"`,
      hint: "a newer nfpath may read it; or name the files in it",
    });
  }
  const notes: string[] = [];
  const traces: TextInput[] = [];
  const rules: TextInput[] = [];
  const captures: CaptureInput[] = [];
  const facts: TextInput[] = [];
  for (const line of lines) {
    const [, key, value] = /^(\S+) (.*)$/.exec(line) ?? [];
    if (key === "note" && value !== undefined) notes.push(value);
    if (key !== "file" || value === undefined) continue;
    const [, role, name] = /^(\S+) ([\w.-]+)$/.exec(value) ?? [];
    const size = name === undefined ? null : files.size(name);
    if (name === undefined || size === null) {
      notes.push(`the MANIFEST names a file that is not there: ${value}`);
    } else if (size === 0) {
      notes.push(`${name} is empty`);
    } else if (role === "trace" || role === "rules" || role === "facts") {
      // Of the facts, these two have a form; the others are for people.
      if (role === "facts" && !/^(network|settings)\.txt$/.test(name)) continue;
      const input = readTwice(join(path, name), () => files.stream(name, "utf8"));
      ({ trace: traces, rules, facts })[role].push(input);
    } else if (role === "nflog") {
      const interfaceNames = namesFrom(files.read("interfaces.txt") ?? "");
      captures.push({ name: join(path, name), interfaceNames, chunks: () => files.stream(name, null) });
    }
  }
  if (!/^end /m.test(manifest))
    notes.push("the script was killed before it had finished: what it left may be cut");
  return ok({ name: path, notes, traces, rules, captures, facts });
}

/** Lines of an index and a name. */
function namesFrom(text: string): (index: number) => string | null {
  const names = new Map<number, string>();
  for (const [, index, name] of text.matchAll(/^(\d+) (\S+)$/gm)) {
    if (name !== undefined) names.set(Number(index), name);
  }
  return (index) => names.get(index) ?? null;
}
