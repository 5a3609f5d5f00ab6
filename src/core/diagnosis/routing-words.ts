/** What routing decided about a packet, in words: `to docker0 by 172.18.0.0/16 of table main`. */
import type { NextHop, Route } from "../hosts/host.ts";
import type { Reception } from "../hosts/reception.ts";
import type { SourceCheck } from "../hosts/reverse-path.ts";
import type { RouteAnswer } from "../hosts/route-lookup.ts";
import type { KernelWord, RoutingNote } from "./routing.ts";

export interface RoutingWords {
  /** Null where nothing can be told. */
  readonly text: string | null;
  /** Interfaces that the packet may leave by; none where it does not leave, or nobody knows. */
  readonly devices: readonly string[];
}

export function routingWords({ decision, question }: RoutingNote): RoutingWords {
  if (decision.at === "departure") {
    const { text, devices } = answerWords(decision.answer, question.dst);
    // It is seen to leave by the VRF that it was bound to as well.
    return {
      text,
      devices: devices.length > 0 && question.out !== null ? [...devices, question.out] : devices,
    };
  }
  return receptionWords(decision.reception, question.dst, question.src ?? "?");
}

/** What the kernel was asked, and how it differs; null where it agrees or nobody asked. */
export function disagreementWords(kernel: KernelWord | null): string | null {
  return kernel === null || kernel.agrees ? null : `but ip route get says: ${kernel.words}`;
}

export function receptionWords(reception: Reception, dst: string, src: string): RoutingWords {
  switch (reception.kind) {
    case "local":
      if (reception.route === null) return untravelled("for this host and others on its link");
      return answerWords(reception.route, dst);
    case "forward":
      return answerWords(reception.route, dst);
    case "forwarding-off":
      return untravelled(`not for this host, and forwarding is off on ${reception.dev}`);
    case "reverse-path":
      return untravelled(`rp_filter drops it: ${wayBackWords(reception.source, src)}`);
    case "not-joined":
      return untravelled(`for nobody here: ${reception.group} is not joined on ${reception.dev}`);
    case "martian":
      return untravelled(
        `martian ${reception.which} ${reception.which === "source" ? src : dst}: ${reception.why}`,
      );
    default:
      return answerWords(reception, dst);
  }
}

function wayBackWords(source: SourceCheck, src: string): string {
  const back = source.kind === "reverse-path" ? answerWords(source.back, src) : null;
  if (back === null || back.text === null) return `no way back to ${src} by where it came from`;
  return back.devices.length === 0 ? back.text : `the way back to ${src} leads ${back.text}`;
}

function answerWords(answer: RouteAnswer, dst: string): RoutingWords {
  switch (answer.kind) {
    case "no-route":
      return untravelled(`no route to ${dst}`);
    case "not-known":
      return { text: null, devices: [] };
    case "refused":
      return untravelled(
        answer.route === null
          ? `${answer.how} by policy rule ${answer.rule.priority}`
          : `${answer.how} by ${routeName(answer.route)}`,
      );
    case "routed": {
      const { type, ways, route } = answer;
      if (type === "local")
        return { text: `for this host${route === null ? "" : ` by ${routeName(route)}`}`, devices: ["lo"] };
      const devices = [...new Set(ways.flatMap(({ dev }) => dev ?? []))];
      const by = route === null ? "on whose link the kernel takes it to be" : `by ${routeName(route)}`;
      const kind = type === "unicast" ? "" : `, ${type}`;
      return { text: `to ${ways.map(wayWords).join(" or ")}${kind} ${by}`, devices };
    }
  }
}

function untravelled(text: string): RoutingWords {
  return { text, devices: [] };
}

function wayWords({ dev, via }: NextHop): string {
  return via === null ? `${dev}` : `${dev} via ${via}`;
}

/** `172.18.0.0/16 of table main`, `default of table 100`, `10.0.0.1 of table local`. */
export function routeName({ family, dst, table }: Route): string {
  const all = family === "ip" ? "/32" : "/128";
  const name = dst.endsWith("/0") ? "default" : dst.endsWith(all) ? dst.slice(0, -all.length) : dst;
  return `${name} of table ${table}`;
}
