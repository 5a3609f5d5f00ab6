/** Lines of `ipset save` and `ipset list`. They are kept as text: what they mean is the rules' matter. */

const SAVED = /^(create \S+ (?:hash|bitmap|list):\S+|add \S+ \S+(?: |$))/;
const LISTED =
  /^(Name: \S+$|Type: (?:hash|bitmap|list):\S+$|Revision: \d+$|Header: |Size in memory: \d+$|References: \d+$|Number of entries: \d+$|Members:$)/;

/** `create NAME TYPE …`: nothing else begins so. */
export function beginsSavedIpset(line: string): boolean {
  return /^create \S+ (?:hash|bitmap|list):\S+( |$)/.test(line);
}

/** The first two lines of a set in `ipset list`: the first alone may be anything. */
export function beginsListedIpset(before: string, line: string): boolean {
  return /^Name: \S+$/.test(before) && /^Type: (?:hash|bitmap|list):\S+$/.test(line);
}

/** @param isInMembers below `Members:`, where an element stands on each line */
export function isIpsetLine(line: string, isInMembers: boolean): boolean {
  return SAVED.test(line) || LISTED.test(line) || (isInMembers && /^[\w.:/,@-]+( |$)/.test(line));
}
