/**
 * Builds a scenario's hosts from nothing, with its rules, and removes them again. All of it is inside namespaces: links,
 * addresses, settings, rules. No setting of the host is changed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ok, type Result, refused } from "../../core/base/result.ts";
import { inNetns } from "../../linux/netns.ts";
import { runSuccessfully } from "../../linux/process.ts";
import { findProgram } from "../../linux/programs.ts";
import { type HostRefusal, hostRefusal } from "../../linux/refusal.ts";
import { writeSysctl } from "../../linux/sysctl.ts";
import { ipBatch, namespaceNames, newLabId, removeLab } from "../lab-namespaces.ts";
import { LabRegister } from "../lab-register.ts";
import { fillConntrack } from "./fill-conntrack.ts";
import { missingInKernel } from "./kernel-needs.ts";
import { cableLines, hostLines, hostsOf, type Network } from "./network.ts";
import type { RuleText, Scenario, Variant } from "./scenario.ts";

export interface BuiltScenario {
  readonly scenario: Scenario;
  readonly variant: Variant;
  /** The namespaces' names by host. */
  readonly namespaces: Readonly<Record<string, string>>;
  /** Removes all of it. Does nothing the second time. */
  down(): Promise<Result<void, HostRefusal>>;
}

export interface BuildOptions {
  /** A person keeps it after this process has ended. */
  readonly isKept?: boolean;
  readonly register?: LabRegister;
}

/** A program that this scenario is built with and that is not installed; null when all are. */
export function missingTool({ network, rules }: Scenario, variant: Variant): string | null {
  const needsConntrack = Object.values(network.hosts).some((host) => host.hasFullConntrack);
  const tools = [...(rules[variant] ?? []).map(({ tool }) => tool), ...(needsConntrack ? ["conntrack"] : [])];
  return tools.find((tool) => findProgram(tool) === null) ?? null;
}

/** When a step is refused, what was built before it is removed again. */
export async function buildScenario(
  scenario: Scenario,
  variant: Variant,
  { isKept = false, register = new LabRegister() }: BuildOptions = {},
): Promise<Result<BuiltScenario, HostRefusal>> {
  const lacking = await missingInKernel(scenario);
  if (lacking !== null)
    return refused(
      hostRefusal("kernel-lacks", `this kernel has no ${lacking}`, "distributions' kernels have it"),
    );
  const id = newLabId();
  const namespaces = namespaceNames(id, hostsOf(scenario.network));
  const noted = register.add({ id, owner: isKept ? null : process.pid });
  if (!noted.ok) return noted;
  const built = await build(scenario, variant, namespaces);
  if (built.ok) return ok({ scenario, variant, namespaces, down: () => removeLab(id, register) });
  const removed = await removeLab(id, register);
  return removed.ok ? built : refused({ ...built.error, hint: `${built.error.hint}; ${removed.error.hint}` });
}

async function build(
  { network, rules }: Scenario,
  variant: Variant,
  namespaces: Readonly<Record<string, string>>,
): Promise<Result<void, HostRefusal>> {
  const hosts = Object.entries(namespaces);
  const made = await ipBatch(
    [],
    hosts.map(([, name]) => `netns add ${name}`),
  );
  if (!made.ok) return made;
  // Before the links, which take the default over.
  for (const [, name] of hosts) {
    for (const setting of ["accept_dad=0", "router_solicitations=0"])
      inNetns(name, () => writeSysctl(`net.ipv6.conf.default.${setting.split("=")[0]}`, "0"));
  }
  const cabled = await ipBatch([], cableLines(network, namespaces));
  if (!cabled.ok) return cabled;
  const configured = await Promise.all(
    hosts.map(([host, name]) => ipBatch(["-netns", name], hostLines(network, host))),
  );
  for (const one of configured) if (!one.ok) return one;
  for (const [host, name] of hosts) {
    const set = applySettings(network.hosts[host]?.settings ?? {}, name);
    if (!set.ok) return set;
  }
  for (const rule of rules[variant] ?? []) {
    const loaded = await loadRules(rule, namespaces[rule.host] ?? null);
    if (!loaded.ok) return loaded;
  }
  for (const [host, name] of hosts) {
    if (!network.hosts[host]?.hasFullConntrack) continue;
    const filled = await fillConntrack(name);
    if (!filled.ok) return filled;
  }
  for (const [host, name] of hosts) {
    const isUp = await linksComeUp(name, Object.keys(network.hosts[host]?.tunnels ?? {}));
    if (!isUp.ok) return isUp;
  }
  return unplug(network, namespaces);
}

function applySettings(settings: Readonly<Record<string, string>>, name: string): Result<void, HostRefusal> {
  for (const [setting, value] of Object.entries(settings)) {
    const set = inNetns(name, () => writeSysctl(setting, value));
    if (set.ok) continue;
    return refused(
      hostRefusal(
        "setting-refused",
        `${setting}=${value} cannot be set in ${name} (${set.error})`,
        set.error === "ENOENT"
          ? "this kernel lacks what the scenario needs; br_netfilter may have to be loaded (modprobe br_netfilter)"
          : "run as root, outside of a container whose /proc/sys is read-only",
      ),
    );
  }
  return ok(undefined);
}

async function loadRules({ tool, text }: RuleText, netns: string | null): Promise<Result<void, HostRefusal>> {
  const args = tool === "nft" ? ["-f", "-"] : tool === "ipset" ? ["restore"] : ["--wait=10"];
  const loaded = await runSuccessfully(tool, tool.endsWith("nft-restore") ? [] : args, {
    netns,
    input: text,
  });
  return loaded.ok ? ok(undefined) : loaded;
}

/** Takes down the other ends, so that the carrier is lost. */
async function unplug(
  network: Network,
  namespaces: Readonly<Record<string, string>>,
): Promise<Result<void, HostRefusal>> {
  for (const { ends } of network.cables) {
    for (const [near, far] of [ends, [ends[1], ends[0]] as const]) {
      if (!network.hosts[near.host]?.unplugged?.includes(near.link)) continue;
      const down = await ipBatch(["-netns", namespaces[far.host] ?? ""], [`link set ${far.link} down`]);
      if (!down.ok) return down;
    }
  }
  return ok(undefined);
}

const CARRIER_MS = 3_000;

/** Tunnels have no carrier to wait for. A frame sent before the link's carrier is known is lost, and with it the first packet of the experiment. */
async function linksComeUp(
  namespace: string,
  tunnels: readonly string[],
): Promise<Result<void, HostRefusal>> {
  const deadline = performance.now() + CARRIER_MS;
  for (;;) {
    const links = await runSuccessfully("ip", ["-netns", namespace, "-oneline", "link", "show"]);
    if (!links.ok) return links;
    const waiting = links.value
      .split("\n")
      .filter((line) => !tunnels.includes(line.split(": ")[1] ?? ""))
      .find((line) => /<[A-Z,_-]*BROADCAST/.test(line) && !/ state UP /.test(line));
    if (waiting === undefined) return ok(undefined);
    if (performance.now() > deadline) {
      const name = waiting.split(": ")[1] ?? "";
      return refused(hostRefusal("kernel-lacks", `${name} in ${namespace} does not come up`, "try again"));
    }
    await sleep(10);
  }
}
