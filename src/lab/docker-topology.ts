/**
 * The article's three hosts as namespaces, and what makes them: lines for `ip -batch`, and settings. Data only; docker-udp.ts carries it out.
 *
 *     trigger ── eth0 ═══ eth0 ── forwarder ── docker0 ─ vethXXXXXXX ═══ eth0 ── container
 *     203.0.113.113       172.17.128.213       172.18.0.1                172.18.0.2
 *
 * The trigger's address was blanked in the article; ours is from the range for documentation. MAC addresses are
 * fixed, so that two runs can be compared: Docker's are the ones it derives from the address, the others are
 * from the range for documentation (RFC 7042).
 */

export type LabHost = "trigger" | "forwarder" | "container";
export const LAB_HOSTS: readonly LabHost[] = ["trigger", "forwarder", "container"];

export const TRIGGER_ADDRESS = "203.0.113.113";
export const FORWARDER_ADDRESS = "172.17.128.213";
export const CONTAINER_ADDRESS = "172.18.0.2";
export const BRIDGE = "docker0";
export const BRIDGE_NETWORK = "172.18.0.0/16";
export const PUBLISHED_PORTS = [10300, 10399] as const;
/** The published port that the echo server listens on. */
export const ECHO_PORT = 10370;
/** The port that the trigger sends from. */
export const TRIGGER_PORT = 38495;
/** Bytes of UDP payload, as the article sent them: each too long for one frame (1500 − 20 − 8 = 1472). */
export const PAYLOADS: readonly number[] = [1483, 1485, 1498];

/** Lines for `ip -batch` outside of any namespace. `names` are the namespaces' names by host. */
export function namespaceCommands(names: Readonly<Record<LabHost, string>>): readonly string[] {
  return [
    ...LAB_HOSTS.map((host) => `netns add ${names[host]}`),
    `link add eth0 address 00:00:5e:00:53:01 mtu 1500 netns ${names.trigger} type veth ` +
      `peer name eth0 address 00:00:5e:00:53:02 mtu 1500 netns ${names.forwarder}`,
    `link add eth0 address 02:42:ac:12:00:02 mtu 1500 netns ${names.container} type veth ` +
      `peer name ${CONTAINER_PORT} mtu 1500 netns ${names.forwarder}`,
  ];
}

/** The forwarder's end of the container's link, named as Docker names them. */
export const CONTAINER_PORT = "veth79e0ef5";

/** Lines for `ip -batch` inside each host. */
export const HOST_COMMANDS: Readonly<Record<LabHost, readonly string[]>> = {
  trigger: [
    "link set lo up",
    `address add ${TRIGGER_ADDRESS}/24 dev eth0`,
    "link set eth0 up",
    `route add ${FORWARDER_ADDRESS} dev eth0`,
  ],
  forwarder: [
    "link set lo up",
    `address add ${FORWARDER_ADDRESS}/20 dev eth0`,
    "link set eth0 up",
    "route add 203.0.113.0/24 dev eth0",
    // Docker's forward delay of 0 s: a port of a bridge that learns for 15 s would lose the first packets.
    `link add ${BRIDGE} address 02:42:59:be:ab:24 type bridge forward_delay 0`,
    `link set ${CONTAINER_PORT} master ${BRIDGE}`,
    `address add 172.18.0.1/16 dev ${BRIDGE}`,
    `link set ${CONTAINER_PORT} up`,
    `link set ${BRIDGE} up`,
  ],
  container: [
    "link set lo up",
    `address add ${CONTAINER_ADDRESS}/16 dev eth0`,
    "link set eth0 up",
    "route add default via 172.18.0.1",
  ],
};

export interface Setting {
  readonly setting: string;
  readonly value: string;
  /** Not every kernel has it: what the lab is without it. */
  readonly withoutIt?: string;
}

/** Settings of each host. All of them are the namespace's own, and go with it. */
export const HOST_SETTINGS: Readonly<Record<LabHost, readonly Setting[]>> = {
  // Packets of the article's trigger arrived with a TTL of 57: it was seven hops away.
  trigger: [{ setting: "net.ipv4.ip_default_ttl", value: "57" }],
  forwarder: [
    { setting: "net.ipv4.ip_forward", value: "1" },
    // Docker loads br_netfilter, hence the PHYSIN= in the article's log.
    {
      setting: "net.bridge.bridge-nf-call-iptables",
      value: "1",
      withoutIt: "br_netfilter is not loaded: the log will not name the bridge's port (PHYSIN=)",
    },
  ],
  container: [],
};
