/** Words that options take, apart from what acts on them, so that `--help` need not load it. */
/** Families of the tables in which a trace chooses packets. */
export const TRACE_FAMILIES = ["inet", "ip", "ip6", "bridge", "arp", "netdev"] as const;

export const FORMATS = ["tree", "jsonl", "json", "md"] as const;
export type Format = (typeof FORMATS)[number];

export const UNDO_FORMATS = ["text", "json"] as const;
export type UndoFormat = (typeof UNDO_FORMATS)[number];

export const LAB_ACTIONS = ["run", "up", "down"] as const;
export const LAB_BACKENDS = ["legacy", "nft", "mixed", "none"] as const;
export type LabAction = (typeof LAB_ACTIONS)[number];

export const DOCTOR_FORMATS = ["tree", "json"] as const;
export type DoctorFormat = (typeof DOCTOR_FORMATS)[number];

export const CANARY_PLACES = ["scratch", "here", "none"] as const;

export const DIFF_FORMATS = ["tree", "json", "md"] as const;
export type DiffFormat = (typeof DIFF_FORMATS)[number];

export const HOOKS_FORMATS = ["tree", "json", "md"] as const;
export type HooksFormat = (typeof HOOKS_FORMATS)[number];

export const SNAPSHOT_FORMATS = ["json", "tree"] as const;
export type SnapshotFormat = (typeof SNAPSHOT_FORMATS)[number];

export const HOOK_FAMILIES = ["ip", "ip6", "inet", "arp", "bridge", "netdev"] as const;
export type HookFamily = (typeof HOOK_FAMILIES)[number];

export const MECHANISMS = ["auto", "nft", "iptables"] as const;
export type MechanismWord = (typeof MECHANISMS)[number];
