/**
 * rp_filter: the way back to the source does not leave by the interface that the packet came in by (strict, 1), or there is none
 * at all (loose, 2). IPv4 alone has it; the kernel counts TcpExtIPReversePathFilter.
 */
import { word } from "../commands.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { receptionOf } from "../routing.ts";
import { receptionWords } from "../routing-words.ts";

export const reversePath: FindDeath = (journey, circumstances) => {
  if (circumstances.outcome.verdict !== "vanished") return null;
  const drop = toldDrop(circumstances, ["IP_RPFILTER"]);
  const reception = receptionOf(circumstances.routing);
  if (drop === null && reception?.kind !== "reverse-path") return null;
  const packet = journey.last?.packet;
  const src = packet?.src ?? "its source";
  const dev = journey.first?.in ?? drop?.device ?? null;
  const computed =
    reception?.kind === "reverse-path" ? receptionWords(reception, packet?.dst ?? "?", src).text : null;
  const mode =
    reception?.kind === "reverse-path" && reception.source.kind === "reverse-path"
      ? reception.source.mode
      : null;
  const settings = ["all", ...(dev === null ? [] : [dev])].map(
    (name) => `net.ipv4.conf.${word(name)}.rp_filter`,
  );
  return {
    verdict: "dropped",
    known: drop === null ? "computed" : "told",
    what: `the reverse-path filter${dev === null ? "" : ` of ${dev}`} dropped it: an answer to ${src} would not go back the way it came; nobody was told`,
    why: [
      ...(drop === null ? [] : [wordsOfDrop(drop)]),
      ...(computed === null ? [] : [computed]),
      ...(mode === null ? [] : [`rp_filter is ${mode} (${mode === 1 ? "strict" : "loose"})`]),
    ].join("; "),
    try: `ip route get ${src}; sysctl ${settings.join(" ")}  # loose (2) accepts every source that has a route`,
    wouldBeWrongIf: "the routes were changed between the packet and the snapshot",
  };
};
