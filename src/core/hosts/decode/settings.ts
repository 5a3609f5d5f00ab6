/** Settings as `sysctl -a` prints them, and as a collection does, by the names of their files. */

/** `net.ipv4.ip_forward = 1`, `/proc/sys/net/ipv4/ip_forward = 1`; null when it is no setting. */
export function settingLine(line: string): { readonly name: string; readonly value: string } | null {
  const match = /^(\/proc\/sys\/)?([a-z][\w-]*(?:[./][\w@.:/-]+)+) ?=\s?(.*)$/.exec(line);
  const [, path, words, value] = match ?? [];
  if (words === undefined || value === undefined) return null;
  if (path === undefined && !/^(net|kernel|fs|vm|dev|user|debug|abi|crypto|sunrpc)[./]/.test(words))
    return null;
  return { name: path === undefined ? settingName(words) : nameOfFile(words), value: plainValue(value) };
}

/** Several values stand between tabs. */
export function plainValue(value: string): string {
  return value.trim().replace(/\s+/g, " ");
}

/**
 * The name of a setting by its file below /proc/sys. An interface may have dots in its name: sysctl(8) writes them as
 * slashes, `net.ipv4.conf.eth0/1.rp_filter`, and so do we.
 */
export function nameOfFile(path: string): string {
  return path
    .split("/")
    .map((part) => part.replaceAll(".", "/"))
    .join(".");
}

/** sysctl(8) takes `net/ipv4/ip_forward` as well: where the first separator is a slash, slashes separate. */
function settingName(words: string): string {
  return /^[^./]+\//.test(words) ? nameOfFile(words) : words;
}
