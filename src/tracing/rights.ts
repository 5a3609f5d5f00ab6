/** What a trace that is armed still takes of the process that shows it. */
import type { Capability } from "../linux/capabilities.ts";
import { keepOnly, setAsideRights, takeUpRights } from "../linux/privileges.ts";
import { ownsJournalDirectories } from "../linux/undo/directory.ts";

export { takeUpRights };

/**
 * Gives up for good what the end of a trace in these namespaces does not take, and sets aside the rest: packets are read and
 * shown without a single capability. `takeUpRights` is for the end.
 */
export function giveUpRights(namespaces: readonly (string | null)[]): void {
  keepOnly(rightsToEnd(namespaces));
  setAsideRights();
}

/** To list the rules once more, and to undo in the guardian's place should that have been killed. */
export function rightsToEnd(namespaces: readonly (string | null)[]): readonly Capability[] {
  // iptables-legacy lists through a raw socket; who is not root reads the names of its tables by the third.
  // The last shows whose the sockets of a snapshot are, and a namespace that has lost its name behind the processes in it.
  const rights: Capability[] = ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"];
  if (namespaces.some((netns) => netns !== null)) rights.push("CAP_SYS_ADMIN");
  if (!ownsJournalDirectories()) rights.push("CAP_DAC_OVERRIDE");
  return rights;
}
