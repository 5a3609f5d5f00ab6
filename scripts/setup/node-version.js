// @ts-check
// Old Nodes fail deep inside with words nobody understands (a syntax error, a missing export), so the version is
// looked at before anything else is loaded.

/**
 * What is wrong with this Node, in one line, or null.
 * @param {string} version as in `process.versions.node`: `20.19.0`
 * @param {string} range the lowest version that will do, as package.json's `engines.node` says it: `>=20.19`
 * @returns {string | null}
 */
export function complaintAboutNode(version, range) {
  const [wantedMajor = 0, wantedMinor = 0] = numbers(range);
  const [major = 0, minor = 0] = numbers(version);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return null;
  return (
    `this is Node ${version}, and nfpath needs ${wantedMajor}.${wantedMinor} or newer: ` +
    "install it from https://nodejs.org or your distribution's backports, then run this again"
  );
}

/** @param {string} text */
function numbers(text) {
  return (text.match(/\d+/g) ?? []).map(Number);
}
