/**
 * Docker: its iptables chains (`daemon/libnetwork/iptables`), its nft tables (since 29), and what it leaves in built-in
 * chains, which names `docker0` or a bridge with twelve hexadecimal digits that nobody else makes.
 */
import type { Manager, RulePlace, Told } from "./origin.ts";
import { address, dnatTo, does, jumpOf, negatedValueFor, portOf, valueFor } from "./rule-parts.ts";

const BRIDGE = /^(docker0|docker_gwbridge|br-[\da-f]{12})$/;

export const docker: Manager = {
  name: "Docker",
  tables: /^docker-bridges$/,
  chains:
    /^DOCKER($|-(USER|FORWARD|BRIDGE|CT|INTERNAL|INGRESS|ISOLATION|ISOLATION-STAGE-[12])$)|^DOCKER_(OUTPUT|POSTROUTING)$/,
  policies: /^FORWARD$/,
  owns: (place, rule) => {
    const names = rule.matches
      .filter(({ kind }) => kind === "in-interface" || kind === "out-interface")
      .map(({ value }) => value);
    if (!names.some((name) => BRIDGE.test(name))) return false;
    // An administrator's own rule may name docker0 as well: only the shapes that Docker writes count.
    if (place.table === "nat") return place.chain === "POSTROUTING" && does(rule, "masquerade");
    if (place.table === "raw") return does(rule, "drop") && valueFor(rule, "destination") !== null;
    return place.table === "filter" && place.chain === "FORWARD" && isForwarding(rule.matches.length, names);
  },
  tell,
};

/** `-i docker0 ! -o docker0 -j ACCEPT`, `-o docker0 -m conntrack … -j ACCEPT` */
function isForwarding(conditions: number, names: readonly string[]): boolean {
  return conditions <= 2 && names.every((name) => BRIDGE.test(name));
}

function tell(place: RulePlace): Told {
  const { rule, chain } = place;
  if (rule === null) {
    return {
      what: "Docker sets this policy when it starts; what no rule lets through does not reach or leave a container",
      object: null,
      change: "publish the port (-p), or let it through in DOCKER-USER: iptables -S DOCKER-USER",
    };
  }
  if (chain === "DOCKER-USER" || jumpOf(rule) === "DOCKER-USER")
    return {
      what: "the chain that it leaves to the administrator: somebody here wrote this rule",
      object: null,
      change: "iptables -S DOCKER-USER; look for who fills it: a script, ufw-docker, a unit",
    };
  if (chain.startsWith("DOCKER_"))
    return {
      what: "leads a container's DNS queries to Docker's own resolver (127.0.0.11)",
      object: null,
      change: "docker network inspect NETWORK; dns: of the container",
    };
  return (
    published(rule) ??
    isolation(place) ??
    betweenNeighbours(rule) ??
    hiddenPort(place) ??
    masquerade(place) ??
    network(place)
  );
}

function published(rule: RulePlace["rule"]): Told {
  const to = dnatTo(rule);
  const port = portOf(rule);
  const container =
    to?.replace(/:\d+$/, "") ?? (does(rule, "accept") ? address(valueFor(rule, "destination")) : null);
  if (port === null || container == null) return null;
  const number = /^\d+/.exec(port)?.[0] ?? null;
  const find = number === null ? "" : ` --filter ${to === null ? "expose" : "publish"}=${number}`;
  return {
    what: `published port ${port} of container ${container.replace(/^\[(.*)\]$/, "$1")}`,
    object: container,
    change: `docker ps${find}; it is the container's -p or ports:`,
  };
}

/** Inter-container communication is switched off on this network (`icc=false`). */
function betweenNeighbours(rule: RulePlace["rule"]): Told {
  const bridge = valueFor(rule, "in-interface");
  const isSame = bridge !== null && valueFor(rule, "out-interface") === bridge;
  if (!does(rule, "drop") || !(isSame || rule?.comment === "ICC")) return null;
  return {
    what: `keeps the containers${bridge === null ? "" : ` on ${bridge}`} from talking to each other`,
    object: bridge,
    change: "docker network inspect NETWORK  # com.docker.network.bridge.enable_icc",
  };
}

function isolation({ rule, chain }: RulePlace): Told {
  if (!/ISOLATION|INTERNAL/.test(chain) && !/INTERNAL/.test(rule?.comment ?? "")) return null;
  const bridge = valueFor(rule, "out-interface") ?? valueFor(rule, "in-interface");
  return {
    what: `keeps Docker's networks apart${bridge === null ? "" : ` (${bridge})`}`,
    object: bridge,
    change: "docker network ls; put both containers on one network: docker network connect NETWORK CONTAINER",
  };
}

function hiddenPort({ rule, table }: RulePlace): Told {
  if (!does(rule, "drop")) return null;
  const bridge = valueFor(rule, "out-interface") ?? negatedValueFor(rule, "in-interface");
  const container = address(valueFor(rule, "destination"));
  if (table === "raw" || container !== null)
    return {
      what: `keeps container ${container ?? "addresses"} from being reached past its published ports`,
      object: container,
      change: "publish the port (-p), or run the network in a routed gateway mode",
    };
  return {
    what: `drops what no container${bridge === null ? "" : ` on ${bridge}`} has published`,
    object: bridge,
    change: "docker ps shows what is published; publish the port with -p or ports:",
  };
}

function masquerade({ rule }: RulePlace): Told {
  if (!does(rule, "masquerade")) return null;
  const network = valueFor(rule, "source");
  if (network !== null && network === valueFor(rule, "destination"))
    return {
      what: `lets container ${address(network)} reach its own published port`,
      object: address(network),
      change: "docker ps shows what is published",
    };
  return {
    what: `lets containers${network === null ? "" : ` of ${network}`} out under the host's address`,
    object: network,
    change: "docker network inspect NETWORK  # com.docker.network.bridge.enable_ip_masquerade",
  };
}

function network({ rule }: RulePlace): Told {
  const bridge = rule?.matches.map(({ value }) => value).find((value) => BRIDGE.test(value)) ?? null;
  return {
    what: `a rule for its networks${bridge === null ? "" : ` (${bridge})`}`,
    object: bridge,
    change: "docker network ls; docker network inspect NETWORK",
  };
}
