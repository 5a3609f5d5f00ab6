/** The names of nfpath's own nft tables: how its own steps are told from the host's. */

const PREFIX = "nfpath_";

/** The name of the table of one run; `runId` is 1 to 16 lower-case letters and digits, and throws otherwise. */
export function ownTableName(runId: string): string {
  if (!/^[0-9a-z]{1,16}$/.test(runId)) throw new Error(`not a run id: ${runId}`);
  return PREFIX + runId;
}

/** Whether a table is one of nfpath's, of this run or of any other. */
export function isOwnTable(table: string): boolean {
  return table.startsWith(PREFIX);
}
