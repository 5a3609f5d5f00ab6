/**
 * What the collector keeps once everything is open and set: what the undo takes, which may be nothing. Reading from sockets
 * that are open takes no capability, ending an `nft` of the same user neither.
 */
import type { Capability } from "../../linux/capabilities.ts";
import { hidesProcesses } from "../../linux/process-identity.ts";
import { ownsJournalDirectories } from "../../linux/undo/directory.ts";
import type { CollectorConfig } from "./config.ts";

export function rightsOfGuardian({ namespaces, undoFile }: CollectorConfig): readonly Capability[] {
  const changed = namespaces.filter(({ revert, rules = [] }) => revert.length > 0 || rules.length > 0);
  const rights: Capability[] = [];
  if (changed.length > 0) rights.push("CAP_NET_ADMIN");
  // iptables-legacy speaks through a raw socket.
  if (changed.some(({ rules = [] }) => rules.length > 0)) rights.push("CAP_NET_RAW");
  if (changed.some(({ netns }) => netns !== null)) rights.push("CAP_SYS_ADMIN");
  if (undoFile === null) return rights;
  if (!ownsJournalDirectories()) rights.push("CAP_DAC_OVERRIDE");
  // Other runs must not be taken for dead because they cannot be seen.
  if (hidesProcesses()) rights.push("CAP_SYS_PTRACE");
  return rights;
}
