/**
 * Asking `ip route get` about a packet, and comparing: the kernel's own answer is the judge of ours.
 *
 * It answers by a route or by an error, which stands for a refusal: EINVAL for blackhole and for a source that cannot be right,
 * EACCES for prohibit, EHOSTUNREACH for unreachable and where forwarding is off, ENETUNREACH for no route.
 */
import { objectsOf } from "./decode/fields.ts";
import type { IpFamily } from "./host.ts";
import type { Reception } from "./reception.ts";
import type { RouteAnswer, RouteQuestion } from "./route-lookup.ts";

/** The words behind `ip -4` or `ip -6`. */
export function routeGetWords(question: RouteQuestion): string {
  const { dst, src, in: inside, out, mark, tos, protocol, sport, dport, uid } = question;
  const words = ["route", "get", dst];
  if (src !== null) words.push("from", src);
  if (inside !== null) words.push("iif", inside);
  if (out !== null) words.push("oif", out);
  if (mark !== null && mark !== 0) words.push("mark", String(mark));
  // Taken as hexadecimal with and without 0x.
  if (tos !== null && tos !== 0) words.push("tos", `0x${tos.toString(16)}`);
  if (inside === null && uid !== null && uid !== 0) words.push("uid", String(uid));
  const name = KERNEL_TAKES.get(protocol ?? "");
  if (name !== undefined) words.push("ipproto", name);
  if (name === "tcp" || name === "udp") {
    if (sport !== null) words.push("sport", String(sport));
    if (dport !== null) words.push("dport", String(dport));
  }
  return words.join(" ");
}

/** `rtm_getroute_parse_ip_proto` knows these alone. */
const KERNEL_TAKES: ReadonlyMap<string, string> = new Map([
  ["tcp", "tcp"],
  ["udp", "udp"],
  ["icmp", "icmp"],
  ["icmpv6", "ipv6-icmp"],
]);

const ERRNO: ReadonlyMap<string, string> = new Map([
  ["Invalid argument", "EINVAL"],
  ["Permission denied", "EACCES"],
  ["No route to host", "EHOSTUNREACH"],
  ["Network is unreachable", "ENETUNREACH"],
  ["Invalid cross-device link", "EXDEV"],
]);

/**
 * What `ip -j -force -batch -` printed for lines of `routeGetWords`: of each `unicast d0 via 10.0.0.1`, `local`, or the
 * name of an errno; null where it said something else, or nothing.
 */
export function decodeRouteGet(stdout: string, stderr: string, lines: number): readonly (string | null)[] {
  const failed = new Map<number, string | null>();
  let errno: string | null = null;
  for (const line of stderr.split("\n")) {
    const said = /^(?:RTNETLINK answers|Error): (.*)$/.exec(line)?.[1];
    if (said !== undefined) errno = ERRNO.get(said) ?? null;
    const number = /^Command failed -:(\d+)/.exec(line)?.[1];
    if (number !== undefined) failed.set(Number(number) - 1, errno);
  }
  const documents = stdout.split("\n").filter((line) => line.startsWith("["));
  if (documents.length + failed.size !== lines) return new Array<null>(lines).fill(null);
  return Array.from({ length: lines }, (_, at) => {
    const error = failed.get(at);
    return error === undefined ? answerOf(documents.shift() ?? "") : error;
  });
}

function answerOf(document: string): string | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(document);
  } catch {
    return null;
  }
  const [route] = objectsOf(parsed);
  if (route === undefined) return null;
  const type = typeof route.type === "string" ? route.type : "unicast";
  const via = objectsOf([route.via])[0]?.host ?? route.gateway;
  return wayWords(type, String(route.dev), typeof via === "string" ? via : null);
}

function wayWords(type: string, dev: string | null, via: string | null): string {
  if (type === "local" || type === "anycast") return "local";
  return via === null || type !== "unicast" ? `${type} ${dev}` : `${type} ${dev} via ${via}`;
}

/** What the kernel may say if the answer is right; null where we have none, so nothing can be compared. */
export function expectedOfDeparture(answer: RouteAnswer): readonly string[] | null {
  switch (answer.kind) {
    case "no-route":
      return ["ENETUNREACH"];
    case "refused":
      if (answer.how === "unreachable") return [answer.route === null ? "ENETUNREACH" : "EHOSTUNREACH"];
      return [answer.how === "prohibit" ? "EACCES" : "EINVAL"];
    case "routed":
      if (answer.type === "local") return ["local"];
      return answer.ways.map(({ dev, via }) => wayWords(answer.type, dev, via));
    case "not-known":
      return null;
  }
}

/** The same for a packet that came in. */
export function expectedOfReception(reception: Reception, family: IpFamily): readonly string[] | null {
  switch (reception.kind) {
    case "local":
      // Broadcasts and multicasts are delivered by loopback.
      return reception.route?.type === "local"
        ? ["local"]
        : ["local", "broadcast lo", "multicast lo", "multicast"];
    case "forward":
      return expectedOfDeparture(reception.route);
    case "forwarding-off":
      // IPv6 looks at that when it forwards, not when it routes.
      return family === "ip" ? ["EHOSTUNREACH"] : expectedOfDeparture(reception.route);
    case "reverse-path":
      // Linux 6.13 and newer have one errno for all that is wrong with a source.
      return ["EXDEV", "EINVAL"];
    case "not-joined":
      // IPv6 looks at that when it delivers, not when it routes.
      return family === "ip" ? ["EINVAL"] : null;
    case "martian":
      return family === "ip" ? ["EINVAL"] : null;
    case "not-known":
      return null;
    default:
      return expectedOfDeparture(reception);
  }
}
