/** Kernel log lines of iptables TRACE, as a test needs them: a packet is given once, its places one by one. */

export interface LoggedPacket {
  readonly src?: string;
  readonly dst?: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly id?: number;
  readonly ttl?: number;
  readonly length?: number;
  readonly in?: string;
  readonly out?: string;
  readonly mark?: number;
  readonly dontFragment?: boolean;
  /** `UDP` unless given; anything behind the ports of TCP is `rest`. */
  readonly protocol?: string;
  readonly rest?: string;
}

/** Writes lines with a clock that takes 10 µs a line. */
export class TraceLog {
  readonly #lines: string[] = [];
  #micros = 100_000_000;

  /** `at("raw:PREROUTING:policy:1", packet)` */
  at(place: string, packet: LoggedPacket): this {
    const { src = "192.0.2.1", dst = "198.51.100.1", sport = 40000, dport = 53, length = 60 } = packet;
    const { id = 7, ttl = 64, protocol = "UDP", rest = `LEN=${length - 20}` } = packet;
    const mark = packet.mark === undefined ? "" : `MARK=0x${packet.mark.toString(16)} `;
    const flag = packet.dontFragment ? "DF " : "";
    this.#lines.push(
      `[${this.#clock()}] TRACE: ${place} IN=${packet.in ?? ""} OUT=${packet.out ?? ""} SRC=${src} DST=${dst} LEN=${length} ` +
        `TOS=0x00 PREC=0x00 TTL=${ttl} ID=${id} ${flag}PROTO=${protocol} SPT=${sport} DPT=${dport} ${rest} ${mark}`,
    );
    this.#micros += 10;
    return this;
  }

  /** Lets time pass. */
  wait(seconds: number): this {
    this.#micros += seconds * 1e6;
    return this;
  }

  line(text: string): this {
    this.#lines.push(text);
    return this;
  }

  get text(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  #clock(): string {
    const seconds = Math.floor(this.#micros / 1e6);
    return `${String(seconds).padStart(5)}.${String(this.#micros % 1e6).padStart(6, "0")}`;
  }
}
