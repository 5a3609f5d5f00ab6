/** Where legacy TRACE events go, who reads them, and what the kernel log would lose of them. */
import type { LoggedFamily } from "../../linux/nf-log.ts";
import { holderWords } from "../../linux/nflog-groups.ts";
import { failed, fine, type HostCheck, mend, type NetnsCheck, unknown, warning } from "./check.ts";
import { within } from "./commands.ts";
import { legacyInUse } from "./rule-facts.ts";

const TRACE_GROUP = 0;

function logBackend(nfproto: LoggedFamily, family: "ip" | "ip6"): NetnsCheck {
  const version = nfproto === 2 ? "IPv4" : "IPv6";
  const setting = `net.netfilter.nf_log.${nfproto}`;
  return {
    id: `log-backend-${family}`,
    title: `log backend ${version}`,
    judge: ({ netns }) => {
      const logger = netns.loggers[nfproto];
      if (logger === null) return unknown(`${setting} cannot be read here`);
      const writer = (netns.loadedLoggers[nfproto] ?? []).find((name) => name !== "nfnetlink_log");
      const toKernelLog =
        writer === undefined
          ? [
              "modprobe nf_log_syslog || modprobe nf_log_ipv4",
              setLogger(netns.netns, setting, `nf_log_ipv${version.at(-1)}`),
            ]
          : [setLogger(netns.netns, setting, writer)];
      const own = "a trace of nfpath's own reads them from netlink and needs no change here";
      if (logger === "NONE") {
        return warning(
          `${setting} is NONE`,
          `TRACE lines of legacy iptables go nowhere: a TRACE rule set by hand shows nothing; ${own}`,
          mend(toKernelLog),
        );
      }
      if (logger !== "nfnetlink_log")
        return fine(`${setting} is ${logger}: TRACE lines go to the kernel log`);
      const reader = netns.nflogGroups?.find(({ group }) => group === TRACE_GROUP);
      if (reader !== undefined)
        return fine(`${setting} is nfnetlink_log, and ${holderWords(reader)} reads it`);
      if (netns.nflogGroups === null)
        return unknown(`${setting} is nfnetlink_log; whether group 0 has a reader is shown to root only`);
      return warning(
        `${setting} is nfnetlink_log, and nobody reads group 0`,
        `TRACE lines of legacy iptables are thrown away; tcpdump -i nflog and log daemons leave it so; ${own}`,
        mend(toKernelLog),
      );
    },
  };
}

function setLogger(netns: string | null, setting: string, logger: string): string {
  return within(netns, `sysctl -w ${setting}=${logger}`);
}

export const logBackendIp = logBackend(2, "ip");
export const logBackendIp6 = logBackend(10, "ip6");

export const groupZero: NetnsCheck = {
  id: "nflog-group-0",
  title: "NFLOG group 0",
  judge: (situation) => {
    const { netns } = situation;
    if (netns.nflogGroups === null) return unknown("who reads it is shown to root only");
    const taken = netns.nflogGroups.find(({ group }) => group === TRACE_GROUP);
    if (taken === undefined) return fine("free for nfpath");
    const { holder } = taken;
    const what = `taken by ${holderWords(taken)}`;
    const cause = "legacy iptables sends its steps to group 0, which has one reader at a time";
    const { host } = situation;
    const reachesLog =
      (netns.isFirst || host.logsAllNetns === true) && !host.missingCapabilities.includes("CAP_SYSLOG");
    const how =
      holder === null
        ? mend(
            within(netns.netns, "cat /proc/net/netfilter/nfnetlink_log"),
            `its second column is the netlink port; end that reader, which may be in a container, or give it another group`,
          )
        : mend(
            holder.service === null ? `kill ${holder.pid}` : `systemctl stop ${holder.service}`,
            `it stops what ${holder.name} does; better give it another group, if it can take one`,
          );
    if (legacyInUse(situation) && reachesLog)
      return warning(what, `${cause}; instead, nfpath reads the kernel log`, how);
    return legacyInUse(situation)
      ? failed(what, cause, how)
      : warning(what, `${cause}; no legacy table is in use here, so nfpath does not ask for it`, how);
  },
};

export const allNetns: NetnsCheck = {
  id: "nf-log-all-netns",
  title: "nf_log_all_netns",
  judge: ({ netns, host }) => {
    if (netns.isFirst) return fine("the first namespace: its lines reach the kernel log");
    if (host.logsAllNetns === null)
      return unknown("the setting is visible in the first namespace only; nfpath does not need it");
    if (host.logsAllNetns) return fine("1: lines of this namespace reach the kernel log too");
    return fine(
      "0: LOG and TRACE lines of this namespace never reach the kernel log; nfpath reads netlink and does not need them",
    );
  },
};

/** TRACE lines are warnings (`trace_loginfo` in net/ipv4/netfilter/ip_tables.c), and no rate limit of printk holds them. */
const TRACE_LEVEL = 4;

export const kernelLog: HostCheck = {
  id: "kernel-log",
  title: "kernel log",
  judge: ({ host }) => {
    const { consoleLevel, isInJournal } = host.kernelLog;
    if (!isInJournal) {
      return warning(
        "journald leaves kernel messages out (ReadKMsg=no)",
        "journalctl -k shows no TRACE line; nfpath's own traces do not go that way",
        mend([
          "mkdir -p /etc/systemd/journald.conf.d",
          "printf '[Journal]\\nReadKMsg=yes\\n' > /etc/systemd/journald.conf.d/nfpath.conf",
          "systemctl restart systemd-journald",
        ]),
      );
    }
    if (consoleLevel === null) return unknown("kernel.printk cannot be read here");
    if (consoleLevel > TRACE_LEVEL) {
      return warning(
        `the console shows messages below level ${consoleLevel}, TRACE lines among them`,
        "each TRACE line that goes to the kernel log is written to the console first, and a serial one takes milliseconds a line: others are lost meanwhile",
        mend(`dmesg -n ${TRACE_LEVEL}`),
      );
    }
    return fine("no rate limit holds TRACE lines back, and the console shows none");
  },
};
