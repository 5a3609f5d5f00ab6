/** Legacy iptables' TRACE lines, in the dresses in which a kernel log comes. */
import { endsOf, type GeneratedPacket, Traffic, type TrafficOptions, type Truth } from "./traffic.ts";
import type { WayStep } from "./ways.ts";

export const DRESSES = ["syslog", "trimmed", "iso", "dmesg", "kmsg"] as const;

/** `syslog`: as rsyslog writes it; `trimmed`: without the space at each line's end; `iso`: with its newer dates. */
export type Dress = (typeof DRESSES)[number];

export interface KernelLogOptions extends TrafficOptions {
  readonly dress?: Dress;
  readonly isIpv6?: boolean;
}

const BOOTED_SECONDS = 594_576;

/** Lines, each with its end; `end()` and go on until null for packets that are whole. */
export class KernelLogGenerator {
  readonly #traffic: Traffic;
  readonly #dress: Dress;
  readonly #isIpv6: boolean;
  #micros = 178_700;
  #line = 0;
  #second = -1;
  #secondText = "";

  constructor(options: KernelLogOptions) {
    this.#traffic = new Traffic(options);
    this.#dress = options.dress ?? "syslog";
    this.#isIpv6 = options.isIpv6 ?? false;
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
    // 4 to 19 µs a line, and now and then a pause.
    this.#micros += 4 + (this.#line & 15) + ((this.#line & 4095) === 0 ? 20_000 : 0);
    this.#line++;
    const place = `${step.table}:${step.chain}:${step.kind}:${step.number}`;
    const end = this.#dress === "trimmed" ? "\n" : " \n";
    return `${this.#prefix()}TRACE: ${place} ${this.#fields(packet, step)}${end}`;
  }

  #prefix(): string {
    const second = Math.floor(this.#micros / 1e6);
    const fraction = String(this.#micros % 1_000_000).padStart(6, "0");
    if (this.#dress === "kmsg") return `4,${this.#line},${BOOTED_SECONDS * 1e6 + this.#micros},-;`;
    if (this.#dress === "dmesg") return `[${BOOTED_SECONDS + second}.${fraction}] `;
    if (second !== this.#second) {
      this.#second = second;
      const [date = "", time = ""] = new Date(Date.UTC(2017, 7, 24, 11, 14, 47 + second))
        .toISOString()
        .split("T");
      this.#secondText =
        this.#dress === "iso"
          ? `${date}T${time.slice(0, 8)}.`
          : `Aug ${date.slice(8).replace(/^0/, " ")} ${time.slice(0, 8)} forwarder kernel: [${BOOTED_SECONDS + second}.`;
    }
    return this.#dress === "iso"
      ? `${this.#secondText}${fraction}+00:00 forwarder kernel: [${BOOTED_SECONDS + second}.${fraction}] `
      : `${this.#secondText}${fraction}] `;
  }

  /** All behind the place; the same for all steps on one side of routing. */
  #fields(packet: GeneratedPacket, step: WayStep): string {
    const key = `${step.isRouted}${step.interfaces}`;
    let text = packet.texts.get(key);
    if (text === undefined) {
      text = `${interfacesOf(packet, step, this.#isIpv6)}${this.#isIpv6 ? headers6(packet, step) : headers4(packet, step)}`;
      packet.texts.set(key, text);
    }
    return text;
  }
}

function interfacesOf({ way }: GeneratedPacket, { interfaces }: WayStep, isIpv6: boolean): string {
  const [outside, inside] = ["eth0", "docker0"];
  const cameIn = way.from === "container" ? inside : outside;
  const goesOut = way.to === "container" ? inside : outside;
  const type = isIpv6 ? "86:dd" : "08:00";
  const mac =
    way.from === "container"
      ? `PHYSIN=veth79e0ef5 MAC=02:42:59:be:ab:24:02:42:ac:12:00:02:${type} `
      : `MAC=00:00:5e:00:53:02:00:00:5e:00:53:01:${type} `;
  if (interfaces === "out") return `IN= OUT=${goesOut} `;
  return `IN=${cameIn} OUT=${interfaces === "both" ? goesOut : ""} ${mac}`;
}

function headers4(packet: GeneratedPacket, step: WayStep): string {
  const { src, dst, sport, dport } = endsOf(packet, step);
  const ttl = step.isRouted && step.chain !== "INPUT" ? packet.ttl - 1 : packet.ttl;
  const { isTcp } = packet.flow;
  return (
    `SRC=${src} DST=${dst} LEN=${packet.length} TOS=0x00 PREC=0x00 TTL=${ttl} ID=${packet.id} ${isTcp ? "DF " : ""}` +
    (isTcp ? tcp(packet, sport, dport) : `PROTO=UDP SPT=${sport} DPT=${dport} LEN=${packet.length - 20}`)
  );
}

function headers6(packet: GeneratedPacket, step: WayStep): string {
  const { src, dst, sport, dport } = endsOf(packet, step);
  const hops = step.isRouted && step.chain !== "INPUT" ? packet.ttl - 1 : packet.ttl;
  return (
    `SRC=${asIpv6(src)} DST=${asIpv6(dst)} LEN=${packet.length + 20} TC=0 HOPLIMIT=${hops} FLOWLBL=${packet.flow.clientPort} ` +
    (packet.flow.isTcp
      ? tcp(packet, sport, dport)
      : `PROTO=UDP SPT=${sport} DPT=${dport} LEN=${packet.length - 20}`)
  );
}

function tcp({ sequence }: GeneratedPacket, sport: number, dport: number): string {
  const stamp = (sequence >>> 8).toString(16).toUpperCase().padStart(8, "0");
  return `PROTO=TCP SPT=${sport} DPT=${dport} SEQ=${sequence} ACK=${(sequence ^ 0x5bd1e995) >>> 0} WINDOW=502 RES=0x00 ACK PSH URGP=0 OPT (0101080A${stamp}AFDCA9D0)`;
}

/** 192.0.2.7 as 2001:0db8:…:c000:0207, written as the kernel does. */
function asIpv6(address: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  const two = (high: number, low: number) => ((high << 8) | low).toString(16).padStart(4, "0");
  return `2001:0db8:0001:0000:0000:0000:${two(a, b)}:${two(c, d)}`;
}
