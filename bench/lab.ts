/**
 * Network namespaces of the bench: their names hold its process id, they are deleted however a row ends, and those of a bench
 * that was killed by the next one.
 */
import { listNetns } from "../src/linux/netns.ts";
import { runSuccessfully } from "../src/linux/process.ts";
import { CannotHere } from "./bench.ts";
import { isAlive } from "./measure.ts";

const PREFIX = "nfpath-bench-";

let made = 0;

/** Makes namespaces, gives them to `work`, and deletes them. */
export async function withNamespaces<Value>(
  roles: readonly string[],
  work: (...names: readonly string[]) => Promise<Value>,
): Promise<Value> {
  needRoot();
  await removeAbandoned();
  const lab = ++made;
  const names = roles.map((role) => `${PREFIX}${process.pid}-${lab}-${role}`);
  try {
    await shell(names.map((name) => `ip netns add ${name}; ip -n ${name} link set lo up`).join("\n"));
    return await work(...names);
  } finally {
    const left = listNetns().filter((name) => names.includes(name));
    if (left.length > 0) await shell(left.map((name) => `ip netns delete ${name}`).join("\n"));
  }
}

export function needRoot(): void {
  if (process.getuid?.() !== 0) throw new CannotHere("it needs root, for network namespaces");
}

/** Runs shell lines, in a namespace where one is named; their output. Throws with what failed. */
export async function shell(
  lines: string,
  netns: string | null = null,
  timeLimitMs = 120_000,
): Promise<string> {
  const run = await runSuccessfully("sh", ["-ec", lines], { netns, timeLimitMs });
  if (!run.ok) throw new Error(run.error.message);
  return run.value;
}

async function removeAbandoned(): Promise<void> {
  for (const name of listNetns()) {
    const [, pid] = /^nfpath-bench-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) await shell(`ip netns delete ${name}`);
  }
}
