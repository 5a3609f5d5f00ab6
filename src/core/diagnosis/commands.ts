/** Commands to try, with the names of this very host in them. They only read. */
import type { Journey, Step } from "../journeys/journey.ts";

/** Shows a step's chain with its counters. */
export function showChain(step: Step): string {
  const { tracer, family, table, chain } = step.event;
  if (tracer === "xtables" || isIptablesText(step)) {
    const command = family === "ip6" ? "ip6tables" : "iptables";
    return `${command} -t ${table} -L ${word(chain)} -n -v --line-numbers`;
  }
  return `nft -a list chain ${family} ${word(table)} ${word(chain)}`;
}

/** A rule of iptables-nft is nft's in the kernel, and iptables' to the person who wrote it. */
export function isIptablesText(step: Step): boolean {
  return /^-[A-Z] /.test(step.resolved.rule?.text ?? "");
}

/** Asks the kernel about the packet's route, as it was when it was last seen. */
export function routeGet(journey: Journey): string {
  const packet = journey.last?.packet;
  const dev = journey.first?.in ?? null;
  const way = dev === null ? "" : ` from ${word(packet?.src ?? "SOURCE")} iif ${word(dev)}`;
  const mark = journey.last?.mark ? ` mark ${journey.last.mark}` : "";
  return `ip route get ${word(packet?.dst ?? "DESTINATION")}${way}${mark}`;
}

/** Names come from the host: what a shell would read otherwise is quoted. */
export function word(text: string): string {
  return /^[\w.:/@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
