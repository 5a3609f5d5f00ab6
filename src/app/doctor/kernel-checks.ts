/** What the kernel must have: its release, nf_tables, and what legacy iptables needs to speak. */
import { hasOwnerTables } from "../../linux/kernel.ts";
import { failed, fine, type HostCheck, mend, type NetnsCheck, unknown, warning } from "./check.ts";
import { unlessByRules } from "./raw-marking.ts";
import { legacyInUse } from "./rule-facts.ts";

const BOOT_ANOTHER = "uname -r; grep -i -e NF_TABLES -e XT_TARGET_TRACE /boot/config-$(uname -r)";

export const kernelRelease: HostCheck = {
  id: "kernel-release",
  title: "kernel",
  judge: ({ host }) => {
    const { release } = host.kernel;
    const isNew = hasOwnerTables(release);
    if (isNew === null) return unknown(`the release ${release} is no number`);
    if (isNew) return fine(`Linux ${release}: nft tables can vanish with their owner (5.12 and newer)`);
    return unlessByRules(
      host,
      `Linux ${release} is older than 5.12`,
      "nft tables of this kernel stay when their maker is killed, so nfpath does not make any",
      mend("uname -r", "install and boot a kernel of 5.12 or newer"),
    );
  },
};

export const nfTables: HostCheck = {
  id: "nf-tables",
  title: "nf_tables",
  judge: ({ host }) => {
    switch (host.kernel.nfTables) {
      case true:
        return fine("the kernel has it; one nft rule marks packets for nft and for legacy iptables");
      case false:
        return unlessByRules(
          host,
          "this kernel is built without nf_tables",
          "packets are marked by an nft rule",
          mend(BOOT_ANOTHER, "use a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET"),
        );
      case null:
        return unknown("neither the module nor the kernel's configuration can be seen from here");
    }
  },
};

export const xtTrace: NetnsCheck = {
  id: "xt-trace",
  title: "xt_TRACE",
  judge: (situation) => {
    const inUse = legacyInUse(situation);
    switch (situation.host.kernel.xtTrace) {
      case true:
        return fine("legacy iptables can tell what it does with marked packets");
      case null:
        return unknown("the kernel's configuration cannot be seen from here; the canary tells");
      case false: {
        const cause = "the code that makes legacy iptables speak is not compiled in: its rules stay silent";
        const how = mend(BOOT_ANOTHER, "use a kernel with CONFIG_NETFILTER_XT_TARGET_TRACE, or iptables-nft");
        return inUse
          ? failed("this kernel is built without xt_TRACE, and legacy tables are in use", cause, how)
          : warning("this kernel is built without xt_TRACE", cause, how);
      }
    }
  },
};

export const nfnetlinkLog: NetnsCheck = {
  id: "nfnetlink-log",
  title: "nfnetlink_log",
  judge: (situation) => {
    switch (situation.host.kernel.nfnetlinkLog) {
      case true:
        return fine("legacy steps can be read from netlink, packet included");
      case null:
        return unknown("neither the module nor the kernel's configuration can be seen from here");
      case false: {
        const cause = "the steps of legacy iptables reach nfpath through netlink group 0 only";
        const how = mend(
          "modprobe nfnetlink_log",
          "if there is no such module: CONFIG_NETFILTER_NETLINK_LOG",
        );
        return legacyInUse(situation)
          ? failed("the kernel has no nfnetlink_log, and legacy tables are in use", cause, how)
          : warning("the kernel has no nfnetlink_log", cause, how);
      }
    }
  },
};
