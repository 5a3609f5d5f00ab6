/** What `nft monitor trace` prints of the same traffic. */
import { endsOf, type GeneratedPacket, Traffic, type TrafficOptions, type Truth } from "./traffic.ts";
import type { WayStep } from "./ways.ts";

/** Lines, each with its end; of an entry into a base chain two at once. */
export class NftTraceGenerator {
  readonly #traffic: Traffic;

  constructor(options: TrafficOptions) {
    this.#traffic = new Traffic(options);
  }

  get truth(): Truth {
    return this.#traffic.truth;
  }

  end(): void {
    this.#traffic.end();
  }

  next(): string | null {
    const seen = this.#traffic.next();
    if (seen === null) return null;
    const { packet, step } = seen;
    const head = `trace id ${packet.traceId} ip ${step.table} ${step.chain} `;
    const said = `${head}${step.said}\n`;
    const isEntry = step.isEntry && isFirstOfChain(packet, step);
    return isEntry ? `${head}packet: ${headersOf(packet, step)} \n${said}` : said;
  }
}

/** A chain that was jumped away from and come back to is entered once. */
function isFirstOfChain({ steps, next }: GeneratedPacket, { table, chain }: WayStep): boolean {
  return steps.findIndex((step) => step.table === table && step.chain === chain) === next - 1;
}

function headersOf(packet: GeneratedPacket, step: WayStep): string {
  const key = `${step.isRouted}${step.interfaces}`;
  let text = packet.texts.get(key);
  if (text === undefined) {
    text = makeHeaders(packet, step);
    packet.texts.set(key, text);
  }
  return text;
}

function makeHeaders(packet: GeneratedPacket, step: WayStep): string {
  const { way, flow, length, id } = packet;
  const { src, dst, sport, dport } = endsOf(packet, step);
  const ttl = step.isRouted && step.chain !== "INPUT" ? packet.ttl - 1 : packet.ttl;
  const cameIn = way.from === "host" ? "" : `iif "${way.from === "container" ? "docker0" : "eth0"}" `;
  const goesOut = step.interfaces === "in" ? "" : `oif "${way.to === "container" ? "docker0" : "eth0"}" `;
  const ether = way.from === "host" ? "" : "ether saddr 00:00:5e:00:53:01 ether daddr 00:00:5e:00:53:02 ";
  const transport = flow.isTcp
    ? `tcp sport ${sport} tcp dport ${dport} tcp flags == 0x18 tcp window 502`
    : `udp sport ${sport} udp dport ${dport} udp length ${length - 20} @th,64,96 0x6e6670617468206e66706174`;
  return `${cameIn}${goesOut}${ether}ip saddr ${src} ip daddr ${dst} ip dscp cs0 ip ecn not-ect ip ttl ${ttl} ip id ${id} ip length ${length} ${transport}`;
}
