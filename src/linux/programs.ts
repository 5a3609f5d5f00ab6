/** Other people's programs: where they are, and what to install when they are not. */
import { accessSync, constants } from "node:fs";

const DEBIAN_PACKAGES: Readonly<Record<string, string>> = {
  nft: "nftables",
  "iptables-legacy-save": "iptables",
  "ip6tables-legacy-save": "iptables",
  "iptables-nft-save": "iptables",
  "ip6tables-nft-save": "iptables",
  "iptables-save": "iptables",
  iptables: "iptables",
  ip6tables: "iptables",
  "iptables-legacy": "iptables",
  "ip6tables-legacy": "iptables",
  "iptables-nft": "iptables",
  nsenter: "util-linux",
  unshare: "util-linux",
  setpriv: "util-linux",
  ip: "iproute2",
  tc: "iproute2",
  ss: "iproute2",
  bridge: "iproute2",
  sysctl: "procps",
  conntrack: "conntrack",
  ipset: "ipset",
  "iptables-legacy-restore": "iptables",
  "ip6tables-legacy-restore": "iptables",
  "iptables-nft-restore": "iptables",
  "ip6tables-nft-restore": "iptables",
  tcpdump: "tcpdump",
  bpftrace: "bpftrace",
  modprobe: "kmod",
  journalctl: "systemd",
  dmesg: "util-linux",
};

/** Debian's package with a program; null when nobody here knows. */
export function debianPackageOf(program: string): string | null {
  return DEBIAN_PACKAGES[program] ?? null;
}

/** A user's PATH often lacks the directories of administrators, where all of these live. */
const ADMIN_DIRECTORIES: readonly string[] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/** Absolute path of a program; null when it is not installed. A name with a slash is taken as a path. */
export function findProgram(program: string, path: string = process.env.PATH ?? ""): string | null {
  if (program.includes("/")) return isExecutable(program) ? program : null;
  for (const directory of [
    ...path.split(":").filter((entry) => entry.startsWith("/")),
    ...ADMIN_DIRECTORIES,
  ]) {
    const candidate = `${directory}/${program}`;
    if (isExecutable(candidate)) return candidate;
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
