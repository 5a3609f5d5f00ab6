/** What is concluded of each packet of the `docker-udp` lab, sorted: the first is translated by a rule, later ones by conntrack. */
export const DOCKER_UDP_CAUSES: readonly (readonly string[])[] = [
  ["defragmented", "dnat", "will-fragment"],
  ...Array.from({ length: 5 }, () => ["defragmented", "nat-from-conntrack", "will-fragment"]),
];
