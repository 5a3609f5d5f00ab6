/**
 * Where the collected samples of real rulesets and traces are, for tests that read them all. They are not part of the
 * project: without them those tests are skipped, and say so.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

function existing(path: string): string | null {
  return existsSync(path) ? path : null;
}

/** Folder with one folder for each kind of sample; null where it is absent. */
export const corpus: string | null = existing(process.env.NFPATH_CORPUS ?? resolve(root, "../shared/corpus"));

/** Folder with the article's trace and listing; null where it is absent. */
export const article: string | null =
  corpus === null ? existing(resolve(root, "../shared/article")) : existing(resolve(corpus, "../article"));

export interface Sample {
  /** Path below the corpus. */
  readonly name: string;
  readonly text: string;
}

/** All files of a kind, in the order of their names; none where there is no corpus. */
export function samples(kind: string): Sample[] {
  if (corpus === null) return [];
  const folder = join(corpus, kind);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ name: path.slice(corpus.length + 1), text: readFileSync(path, "utf8") }));
}
