/**
 * A VRF's packet passes PREROUTING twice: by the interface that it came in by, and by the VRF (`vrf_ip_rcv`, `vrf_ip6_rcv` in
 * `drivers/net/vrf.c`). The two are two journeys, and the first has not vanished.
 */
import type { HostSnapshot } from "../hosts/host.ts";
import { vrfOf } from "../hosts/vrf.ts";
import type { Journey } from "../journeys/journey.ts";
import type { Outcome } from "./outcome.ts";

/** The outcome of a journey, with what the host knows of its interface's VRF. */
export function outcomeInVrf(outcome: Outcome, { steps, last }: Journey, host: HostSnapshot | null): Outcome {
  if (host === null || outcome.verdict !== "vanished" || steps.at(-1)?.hook !== "prerouting") return outcome;
  const dev = last?.in ?? null;
  const vrf = vrfOf(host, dev);
  if (vrf === null || vrf === "not-known" || vrf.name === dev) return outcome;
  return {
    ...outcome,
    verdict: "unknown",
    missing: `${dev} belongs to VRF ${vrf.name}: it goes on in the journey that comes in by ${vrf.name}`,
  };
}
