/** What the actor program is told, a line each. */
export type ActorCommand =
  | {
      readonly do: "listen";
      readonly kind: "udp-echo" | "udp-silent" | "tcp-echo";
      readonly port: number;
      readonly address?: string;
    }
  | {
      readonly do: "udp";
      readonly to: string;
      readonly port: number;
      readonly from: number;
      readonly bytes: number;
      readonly times: number;
      /** `silence`: nothing is waited for. */
      readonly waitsFor: string;
      readonly waitMs: number;
    }
  | {
      readonly do: "tcp";
      readonly to: string;
      readonly port: number;
      readonly from: number;
      readonly bytes: number;
      readonly waitMs: number;
    }
  | { readonly do: "report" };

/** Datagrams and connections by the port that they came to. */
export type Received = Record<number, number>;
