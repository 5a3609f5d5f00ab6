/** What this process may do, the programs it needs, the room for bursts, the clock, and what dead runs left. */
import { word } from "../../core/diagnosis/commands.ts";
import { commandOf, revertActions } from "../../core/plans/plan.ts";
import type { Capability } from "../../linux/capabilities.ts";
import type { AskedProgram } from "../../linux/host-facts.ts";
import { type InstalledProgram, versionNumber } from "../../linux/program-versions.ts";
import { debianPackageOf } from "../../linux/programs.ts";
import {
  type CheckResult,
  failed,
  fine,
  type HostCheck,
  type HostSituation,
  type Mend,
  mend,
  unknown,
  warning,
} from "./check.ts";
import { installCommand, within } from "./commands.ts";
import { unlessByRules } from "./raw-marking.ts";

/** `capabilities`: as a container's options call them. */
function asRoot(...capabilities: readonly string[]): Mend {
  return mend(
    "sudo nfpath doctor",
    `in a container: start it with ${capabilities.map((name) => `--cap-add=${name}`).join(" ")}, or --privileged; in a service: AmbientCapabilities=${capabilities.map((name) => `CAP_${name}`).join(" ")}`,
  );
}

export const netAdmin: HostCheck = {
  id: "cap-net-admin",
  title: "CAP_NET_ADMIN",
  judge: ({ host }) =>
    lacks(host.missingCapabilities, "CAP_NET_ADMIN")
      ? failed("missing", "marking packets, reading traces and listing rules need it", asRoot("NET_ADMIN"))
      : fine("there: packets can be marked and traces read"),
};

export const sysAdmin: HostCheck = {
  id: "cap-sys-admin",
  title: "CAP_SYS_ADMIN",
  judge: ({ host, leavesNetns }) => {
    if (!lacks(host.missingCapabilities, "CAP_SYS_ADMIN"))
      return fine("there: other namespaces can be entered");
    const cause = "entering another network namespace (--netns) needs it";
    return (leavesNetns ? failed : warning)("missing", cause, asRoot("SYS_ADMIN"));
  },
};

export const syslog: HostCheck = {
  id: "cap-syslog",
  title: "CAP_SYSLOG",
  judge: ({ host }) =>
    lacks(host.missingCapabilities, "CAP_SYSLOG")
      ? warning(
          "missing",
          "reading the kernel log needs it (where kernel.dmesg_restrict is 1)",
          asRoot("SYSLOG"),
        )
      : fine("there: the kernel log can be read"),
};

function lacks(missing: readonly Capability[], capability: Capability): boolean {
  return missing.includes(capability);
}

/** `why`: what is not possible without it. Without `required` a trace works all the same. */
function program(
  name: AskedProgram,
  why: string,
  required: (situation: HostSituation) => boolean,
): HostCheck {
  return {
    id: `program-${name}`,
    title: name,
    judge: (situation) => {
      const found = situation.host.programs[name];
      if (found !== null) return installed(found);
      return (required(situation) ? failed : warning)("not installed", why, toInstall(name));
    },
  };
}

function installed({ said, path }: InstalledProgram): CheckResult {
  return fine(`${versionNumber(said) ?? "of unknown version"} (${path})`);
}

function toInstall(name: AskedProgram): Mend {
  return mend(
    installCommand(debianPackageOf(name) ?? name),
    "Debian's and Ubuntu's word; other distributions have the package too",
  );
}

const never = (): boolean => false;

export const programs: readonly HostCheck[] = [
  {
    id: "program-nft",
    title: "nft",
    judge: ({ host }) => {
      const { nft } = host.programs;
      return nft === null
        ? unlessByRules(host, "not installed", "it makes the table that marks the packets", toInstall("nft"))
        : installed(nft);
    },
  },
  program(
    "nsenter",
    "it runs nft and the listings inside another namespace",
    ({ leavesNetns }) => leavesNetns,
  ),
  program("ip", "it lists bridges, and makes the namespace of the canary", never),
  program("tcpdump", "it shows what is on the wire before netfilter, and recorded packets", never),
  program("conntrack", "it shows the connections, and which are translated", never),
];

export const dropReasons: HostCheck = {
  id: "drop-reasons",
  title: "drop reasons",
  judge: ({ host }) => {
    const { bpftrace } = host.programs;
    const cause =
      "who freed a packet that vanished outside of the rules is told by the kernel's kfree_skb tracepoint alone";
    if (bpftrace === null) {
      return warning(
        "bpftrace is not installed",
        cause,
        mend(installCommand("bpftrace"), "traces work without it"),
      );
    }
    const version = `bpftrace ${versionNumber(bpftrace.said) ?? "of unknown version"}`;
    if (!host.hasBtf) {
      return warning(
        `${version}, but the kernel carries no BTF (/sys/kernel/btf/vmlinux)`,
        `${cause}; without BTF the packet's headers cannot be read there`,
        mend("uname -r", "use a kernel with CONFIG_DEBUG_INFO_BTF"),
      );
    }
    const isAllowed =
      !lacks(host.missingCapabilities, "CAP_SYS_ADMIN") ||
      (!lacks(host.missingCapabilities, "CAP_BPF") && !lacks(host.missingCapabilities, "CAP_PERFMON"));
    return isAllowed
      ? fine(`${version}, and the kernel has BTF`)
      : warning(
          `${version} may not be used`,
          `${cause}; it needs CAP_BPF and CAP_PERFMON`,
          asRoot("BPF", "PERFMON"),
        );
  },
};

export const receiveBuffer: HostCheck = {
  id: "receive-buffer",
  title: "socket buffers",
  judge: ({ host }) => {
    const { most, wanted, forced } = host.receiveBuffer;
    if (forced !== null && forced >= wanted)
      return fine(
        `${mebibytes(wanted)} for events, beyond rmem_max (${most === null ? "unknown" : mebibytes(most)})`,
      );
    return warning(
      `the kernel does not grant ${mebibytes(wanted)} for events`,
      `a burst that does not fit ${most === null ? "net.core.rmem_max" : mebibytes(most)} is lost; going beyond needs CAP_NET_ADMIN`,
      mend("sudo nfpath doctor", `or, for everybody: sysctl -w net.core.rmem_max=${wanted}`),
    );
  },
};

function mebibytes(bytes: number): string {
  const size = bytes / 1024 / 1024;
  return size >= 1 ? `${Math.round(size * 10) / 10} MiB` : `${Math.round(bytes / 1024)} KiB`;
}

/** A clock without a battery starts here or thereabouts. */
const YEAR_2024 = 1_704_067_200;

export const clock: HostCheck = {
  id: "clock",
  title: "clock",
  judge: ({ host }): CheckResult => {
    const { now, isSynchronised, source } = host.clock;
    const shown = `${new Date(now * 1000).toISOString().slice(0, 19)}Z`;
    if (now < YEAR_2024) {
      return warning(
        `it says ${shown}`,
        "times of a trace will not fit any other host's log",
        mend("timedatectl set-ntp true", "it sets the clock; a trace that runs meanwhile ends early"),
      );
    }
    if (isSynchronised === false) {
      return warning(
        `${shown} (${source ?? "unknown source"}), and nothing keeps it right`,
        "times may be off from other hosts' logs by seconds; within one trace they agree",
        mend("timedatectl set-ntp true"),
      );
    }
    if (isSynchronised === null)
      return unknown(`${shown}; whether something keeps it right cannot be asked here`);
    return fine(`${shown}, kept right (${source ?? "unknown source"})`);
  },
};

export const leftovers: HostCheck = {
  id: "leftovers",
  title: "killed runs",
  judge: ({ deadRuns: files, deadCanaries }) => {
    if (files.length === 0 && deadCanaries.length === 0) return fine("none left anything behind");
    const settings = files.flatMap(({ plan }) =>
      revertActions(plan).filter(({ action }) => action.kind === "write-sysctl"),
    );
    const runs = files.map(({ plan, path }) => `run ${plan.runId} (${path})`);
    return warning(
      `left by ${[...runs, ...deadCanaries.map((name) => `a doctor (namespace ${name})`)].join(", ")}`,
      `nfpath was killed before it could put things back${settings.length === 0 ? "" : `: ${settings.map(({ netns, action }) => within(netns, commandOf(action))).join("; ")}`}`,
      mend([
        ...(files.length === 0 ? [] : ["nfpath undo"]),
        ...deadCanaries.map((name) => `ip netns delete ${word(name)}`),
      ]),
    );
  },
};
