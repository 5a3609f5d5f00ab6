/**
 * The way out is down, or has no carrier. The kernel goes on routing to a link without one (unless `ignore_routes_with_linkdown`), and the
 * device throws away what it is given, without a word.
 */
import { word } from "../commands.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";

export const linkDown: FindDeath = (_journey, circumstances) => {
  const { outcome, host } = circumstances;
  if (outcome.verdict !== "forwarded" && outcome.verdict !== "sent") return null;
  const dev = outcome.out;
  const link = host?.links?.find(({ name }) => name === dev) ?? null;
  const drop = toldDrop(circumstances, ["DEV_READY"]);
  const isDown = link !== null && (!link.isUp || link.hasCarrier === false);
  if (dev === null || (drop === null && !isDown)) return null;
  return {
    verdict: "dropped",
    known: drop === null ? "computed" : "told",
    what: `${dev}, the way out, ${link?.isUp === false ? "is down" : "has no carrier"}; it was thrown away there, and nobody was told`,
    why: drop === null ? `the snapshot has ${dev} as ${link?.operState ?? "down"}` : wordsOfDrop(drop),
    try: `ip -s link show dev ${word(dev)}  # is the cable in, is the other end up?`,
    wouldBeWrongIf: "the link came up between the snapshot and the packet",
  };
};
