/** What nfpath tells the collector: one line of JSON on its standard input. */
import type { RuleAppend } from "../../linux/rule-action.ts";
import type { SettingAction } from "../../linux/setting-action.ts";

export interface CollectorConfig {
  readonly namespaces: readonly CollectedNetns[];
  /** Bytes of each packet that legacy events carry; headers are what is read. */
  readonly copyBytes: number;
  /** Bytes of events that the kernel may queue for each namespace before it drops them. */
  readonly receiveBuffer: number;
  /** The run's journal, by which it is undone at the end; null: `revert` alone says how. */
  readonly undoFile: string | null;
}

export interface CollectedNetns {
  /** A name, a path, `pid:N`; null for the collector's own. */
  readonly netns: string | null;
  /** Whether to hold NFLOG group 0, for legacy iptables. */
  readonly nflog: boolean;
  /** Other NFLOG groups to read: those of the host's own NFLOG and log rules. */
  readonly nflogGroups?: readonly number[];
  /** Whether to hear of connections, where conntrack is there. */
  readonly conntrack?: boolean;
  /** Whether legacy steps come from the kernel log and not from NFLOG group 0. One namespace at most. */
  readonly kernelLog?: boolean;
  /** Whether to hear of nftables' steps. Default true. */
  readonly nftrace?: boolean;
  /** Rules that mark packets, appended when all settings are made; the journal says how they are deleted. */
  readonly rules?: readonly RuleAppend[];
  /** Carried out when everything is open. */
  readonly apply: readonly SettingAction[];
  /** Carried out at the end, however it comes. */
  readonly revert: readonly SettingAction[];
}
