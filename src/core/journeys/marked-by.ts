/**
 * Whose packet it is. The trace bit belongs to the packet, and every listener hears of each packet that has it: of those that
 * another run of nfpath has marked in the same namespace, too.
 */
import { isMarkingChain } from "../plans/own-chains.ts";
import { isOwnTable } from "../plans/own-table.ts";
import type { Journey } from "./journey.ts";

/** Whether another run has marked it and the run with this table has not. False where no marking was seen. */
export function isMarkedByOthersOnly({ steps }: Pick<Journey, "steps">, table: string): boolean {
  let isOthers = false;
  for (const { event } of steps) {
    if (!isMarkingChain(event.chain) || !isOwnTable(event.table)) continue;
    if (event.table === table) return false;
    isOthers = true;
  }
  return isOthers;
}
