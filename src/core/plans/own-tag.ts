/** The comment of rules that nfpath makes in other people's chains: by it they are known to be its own. */

export function ruleTag(runId: string): string {
  return `nfpath:${runId}`;
}
