/**
 * Text inputs: files, and standard input as `-`.
 *
 * An input is looked at twice, first its head for rules, then the whole for packets. A file is opened again for that, so
 * that none of it stays in memory; of standard input, the head is kept.
 */
import { createReadStream, statSync } from "node:fs";
import { ok, type Result, refused } from "../core/base/result.ts";

export interface TextInput {
  /** As the user named it. */
  readonly name: string;
  /** The beginning, of about `limit` characters at most. Rejects when the input cannot be read. */
  head(limit: number): Promise<Head>;
  /** The text from its beginning, head included. To be called once, after `head` or without it. UTF-8; bytes that are none
   * become U+FFFD. */
  chunks(): AsyncIterable<string>;
}

export interface Head {
  /** The very beginning: its first chunk, empty only where the input is. */
  readonly sample: string;
  /** There is nothing behind it. */
  readonly isWhole: boolean;
  /** The head, from its beginning. Rejects when it cannot be read. */
  readonly text: () => AsyncIterable<string> | Iterable<string>;
}

export interface InputRefusal {
  readonly name: string;
  readonly reason: "missing" | "not-permitted" | "directory" | "unreadable";
  readonly detail: string;
}

const CHUNK_BYTES = 256 * 1024;

export function openTextInput(name: string): Result<TextInput, InputRefusal> {
  if (name === "-") return ok(readOnce(name, () => process.stdin.setEncoding("utf8")));
  try {
    const stat = statSync(name);
    if (stat.isDirectory()) return refused({ name, reason: "directory", detail: "it is a directory" });
    const open = () => createReadStream(name, { encoding: "utf8", highWaterMark: CHUNK_BYTES });
    // A pipe or a device gives its text once, as standard input does.
    if (!stat.isFile()) return ok(readOnce(name, open));
    return ok(readTwice(name, open, stat.size));
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    return refused({
      name,
      reason: reasonOf(cause),
      detail: detail.replace(/^[A-Z]+: (.*), stat .*$/s, "$1"),
    });
  }
}

/**
 * An input that can be opened as often as one likes.
 *
 * @param size in bytes, where it is known
 */
export function readTwice(
  name: string,
  open: () => AsyncIterable<string>,
  size: number = Number.POSITIVE_INFINITY,
): TextInput {
  return {
    name,
    head: async (limit) => {
      if (size === Number.POSITIVE_INFINITY)
        return inMemory(await headOf(open()[Symbol.asyncIterator](), limit));
      return { sample: await sampleOf(open()), isWhole: size <= limit, text: open };
    },
    chunks: open,
  };
}

async function sampleOf(text: AsyncIterable<string>): Promise<string> {
  for await (const chunk of text) if (chunk !== "") return chunk;
  return "";
}

interface KeptHead {
  readonly chunks: string[];
  readonly isWhole: boolean;
}

function inMemory({ chunks, isWhole }: KeptHead): Head {
  return { sample: chunks[0] ?? "", isWhole, text: () => chunks };
}

async function headOf(text: AsyncIterator<string>, limit: number): Promise<KeptHead> {
  const chunks: string[] = [];
  let length = 0;
  while (length < limit) {
    const next = await text.next();
    if (next.done === true) return { chunks, isWhole: true };
    chunks.push(next.value);
    length += next.value.length;
  }
  return { chunks, isWhole: false };
}

function readOnce(name: string, open: () => AsyncIterable<string>): TextInput {
  let text: AsyncIterator<string> | null = null;
  let head: KeptHead = { chunks: [], isWhole: false };
  return {
    name,
    head: async (limit) => {
      text ??= open()[Symbol.asyncIterator]();
      head = await headOf(text, limit);
      return inMemory(head);
    },
    chunks: async function* () {
      const kept = head.chunks;
      head = { chunks: [], isWhole: false };
      for (let at = 0; at < kept.length; at++) {
        yield kept[at] as string;
        kept[at] = "";
      }
      text ??= open()[Symbol.asyncIterator]();
      for (let next = await text.next(); next.done !== true; next = await text.next()) yield next.value;
    },
  };
}

function reasonOf(cause: unknown): InputRefusal["reason"] {
  const code = cause instanceof Error && "code" in cause ? cause.code : null;
  if (code === "ENOENT" || code === "ENOTDIR") return "missing";
  return code === "EACCES" || code === "EPERM" ? "not-permitted" : "unreadable";
}
