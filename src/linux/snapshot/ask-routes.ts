/** `ip route get`, of many packets at once: one process a family. Reads only. */
import type { IpFamily } from "../../core/hosts/host.ts";
import { decodeRouteGet, routeGetWords } from "../../core/hosts/route-get.ts";
import type { RouteQuestion } from "../../core/hosts/route-lookup.ts";
import { runProcess } from "../process.ts";

const TIME_LIMIT_MS = 3_000;

/** The kernel's answers, in the order of the questions; null where it gave none. */
export async function askRoutes(
  netns: string | null,
  questions: readonly RouteQuestion[],
): Promise<readonly (string | null)[]> {
  const answers: (string | null)[] = questions.map(() => null);
  const ask = async (family: IpFamily) => {
    const asked = questions.flatMap((question, at) => (question.family === family ? [at] : []));
    if (asked.length === 0) return;
    const lines = asked.map((at) => routeGetWords(questions[at] as RouteQuestion));
    const run = await runProcess("ip", [family === "ip" ? "-4" : "-6", "-j", "-force", "-batch", "-"], {
      netns,
      input: `${lines.join("\n")}\n`,
      timeLimitMs: TIME_LIMIT_MS,
    });
    if (!run.ok) return;
    const told = decodeRouteGet(run.value.stdout, run.value.stderr, lines.length);
    for (const [index, at] of asked.entries()) answers[at] = told[index] ?? null;
  };
  await Promise.all([ask("ip"), ask("ip6")]);
  return answers;
}
