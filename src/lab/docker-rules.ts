/**
 * The rules Docker 17.06 wrote for a container with 100 published UDP ports, in its order.
 *
 * Docker published the ports one by one from the highest down (it walks a map; on the article's host it came out
 * so) and appended three rules for each: DNAT in nat:DOCKER, ACCEPT in filter:DOCKER, and MASQUERADE in
 * nat:POSTROUTING for the container that talks to itself through the published port. nat:DOCKER begins with the
 * RETURN for traffic from the bridge, and nat:POSTROUTING with the MASQUERADE of the bridge's network, so the
 * 30th port down is rule 30 in filter:DOCKER and rule 31 in the other two.
 *
 * All five tables are named, empty ones too: a legacy table exists, and is traced, only once it has been loaded.
 */

export interface PublishedContainer {
  readonly address: string;
  readonly bridge: string;
  /** The bridge's network in CIDR form. */
  readonly network: string;
  /** The first and the last published UDP port. */
  readonly ports: readonly [first: number, last: number];
}

/** Input for `iptables-restore`, of either backend. */
export function dockerRules(container: PublishedContainer): string {
  const { address, bridge, network } = container;
  const ports = descending(container.ports);
  return [
    table("raw", ["PREROUTING", "OUTPUT"], [], []),
    table("mangle", ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"], [], []),
    table(
      "nat",
      ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
      ["DOCKER"],
      [
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
        `-A POSTROUTING -s ${network} ! -o ${bridge} -j MASQUERADE`,
        ...ports.map(
          (port) =>
            `-A POSTROUTING -s ${address}/32 -d ${address}/32 -p udp -m udp --dport ${port} -j MASQUERADE`,
        ),
        `-A DOCKER -i ${bridge} -j RETURN`,
        ...ports.map(
          (port) =>
            `-A DOCKER ! -i ${bridge} -p udp -m udp --dport ${port} -j DNAT --to-destination ${address}:${port}`,
        ),
      ],
    ),
    table(
      "filter",
      ["INPUT", "FORWARD", "OUTPUT"],
      ["DOCKER", "DOCKER-ISOLATION"],
      [
        "-A FORWARD -j DOCKER-ISOLATION",
        `-A FORWARD -o ${bridge} -j DOCKER`,
        `-A FORWARD -o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
        `-A FORWARD -i ${bridge} ! -o ${bridge} -j ACCEPT`,
        `-A FORWARD -i ${bridge} -o ${bridge} -j ACCEPT`,
        ...ports.map(
          (port) =>
            `-A DOCKER -d ${address}/32 ! -i ${bridge} -o ${bridge} -p udp -m udp --dport ${port} -j ACCEPT`,
        ),
        "-A DOCKER-ISOLATION -j RETURN",
      ],
    ),
    table("security", ["INPUT", "FORWARD", "OUTPUT"], [], []),
  ].join("");
}

function table(
  name: string,
  baseChains: readonly string[],
  userChains: readonly string[],
  rules: readonly string[],
): string {
  const lines = [
    `*${name}`,
    ...baseChains.map((chain) => `:${chain} ACCEPT [0:0]`),
    ...userChains.map((chain) => `:${chain} - [0:0]`),
    ...rules,
    "COMMIT",
  ];
  return `${lines.join("\n")}\n`;
}

function descending([first, last]: readonly [number, number]): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => last - index);
}
