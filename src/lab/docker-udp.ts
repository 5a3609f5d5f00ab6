/**
 * The article's Docker host, built from nothing in three network namespaces, with the rules Docker 17 wrote.
 *
 * Everything is inside the namespaces (links, addresses, settings, rules), so removing them undoes all of it. No
 * setting of the host is changed.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { ok, type Result, refused } from "../core/base/result.ts";
import { inNetns } from "../linux/netns.ts";
import { runSuccessfully } from "../linux/process.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";
import { writeSysctl } from "../linux/sysctl.ts";
import { dockerRules } from "./docker-rules.ts";
import {
  BRIDGE,
  BRIDGE_NETWORK,
  CONTAINER_ADDRESS,
  HOST_COMMANDS,
  HOST_SETTINGS,
  LAB_HOSTS,
  type LabHost,
  namespaceCommands,
  PUBLISHED_PORTS,
} from "./docker-topology.ts";
import { type Exchange, type ExchangeOptions, runExchange } from "./exchange.ts";
import { ipBatch, namespaceNames, newLabId, removeLab } from "./lab-namespaces.ts";
import { LabRegister } from "./lab-register.ts";
import { type Backend, whatTheLabLacks } from "./requirements.ts";

/** How long a link may take to come up. */
const CARRIER_MS = 3_000;

export interface LabOptions {
  readonly backend: Backend;
  /** A person keeps the lab after this process has ended, and removes it with `removeLabs`. */
  readonly isKept?: boolean;
  readonly register?: LabRegister;
}

export interface Lab {
  readonly id: string;
  readonly backend: Backend;
  /** The namespaces' names, as `ip netns` knows them. */
  readonly namespaces: Readonly<Record<LabHost, string>>;
  /** What differs from the article's host on this kernel, one sentence each. */
  readonly notes: readonly string[];
  /** Starts the echo server, sends the article's datagrams one after the other, and stops the server. */
  runExchange(options?: ExchangeOptions): Promise<Result<Exchange, HostRefusal>>;
  /** Removes the lab and all that is in it. Does nothing the second time. */
  down(): Promise<Result<void, HostRefusal>>;
}

/**
 * Builds the lab; takes about a tenth of a second. When a step is refused, what was built before it is removed
 * again.
 */
export async function labUp(options: LabOptions): Promise<Result<Lab, HostRefusal>> {
  const { backend, isKept = false, register = new LabRegister() } = options;
  const lack = await whatTheLabLacks(backend);
  if (lack !== null) return refused(lack);
  const id = newLabId();
  const namespaces = namespaceNames(id, LAB_HOSTS);
  const noted = register.add({ id, owner: isKept ? null : process.pid });
  if (!noted.ok) return noted;
  const built = await build(namespaces, backend);
  if (!built.ok) {
    const removed = await removeLab(id, register);
    return removed.ok
      ? built
      : refused({ ...built.error, hint: `${built.error.hint}; ${removed.error.hint}` });
  }
  return ok({
    id,
    backend,
    namespaces,
    notes: built.value,
    runExchange: (exchange) => runExchange(namespaces, exchange),
    down: () => removeLab(id, register),
  });
}

/** @returns notes on what this kernel does without */
async function build(
  namespaces: Readonly<Record<LabHost, string>>,
  backend: Backend,
): Promise<Result<readonly string[], HostRefusal>> {
  const notes: string[] = [];
  const made = await ipBatch([], namespaceCommands(namespaces));
  if (!made.ok) return made;
  for (const host of LAB_HOSTS) {
    const name = namespaces[host];
    const configured = await ipBatch(["-netns", name], HOST_COMMANDS[host]);
    if (!configured.ok) return configured;
    for (const { setting, value, withoutIt } of HOST_SETTINGS[host]) {
      const set = inNetns(name, () => writeSysctl(setting, value));
      if (set.ok) continue;
      if (withoutIt === undefined) return refused(settingRefused(`${setting}=${value}`, name, set.error));
      notes.push(withoutIt);
    }
  }
  const rules = dockerRules({
    address: CONTAINER_ADDRESS,
    bridge: BRIDGE,
    network: BRIDGE_NETWORK,
    ports: PUBLISHED_PORTS,
  });
  // `--wait`: the legacy tools share one lock with everybody else's iptables on this host.
  const restored = await runSuccessfully(`iptables-${backend}-restore`, ["--wait=10"], {
    netns: namespaces.forwarder,
    input: rules,
  });
  if (!restored.ok) return restored;
  for (const host of LAB_HOSTS) {
    const isUp = await carrierComesUp(namespaces[host]);
    if (!isUp.ok) return isUp;
  }
  return ok(notes);
}

function settingRefused(setting: string, namespace: string, errno: string): HostRefusal {
  return hostRefusal(
    "setting-refused",
    `${setting} cannot be set in ${namespace} (${errno})`,
    "run as root, outside of a container whose /proc/sys is read-only",
  );
}

/** A frame sent before the link's carrier is known is lost, and with it the first packet of the experiment. */
async function carrierComesUp(namespace: string): Promise<Result<void, HostRefusal>> {
  const deadline = performance.now() + CARRIER_MS;
  for (;;) {
    const links = await runSuccessfully("ip", [
      "-netns",
      namespace,
      "-oneline",
      "link",
      "show",
      "dev",
      "eth0",
    ]);
    if (!links.ok) return links;
    if (/ state UP /.test(links.value)) return ok(undefined);
    if (performance.now() > deadline) {
      return refused(hostRefusal("kernel-lacks", `eth0 in ${namespace} does not come up`, "try again"));
    }
    await sleep(10);
  }
}
