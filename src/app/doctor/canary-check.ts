/** What a canary's flight means, as an answer like any other. */
import type { Flight, Loss } from "../../lab/canary.ts";
import type { Backend } from "../../lab/requirements.ts";
import { type CheckResult, failed, fine, mend, unknown } from "./check.ts";
import { within } from "./commands.ts";

export function canaryTitle(backend: Backend): string {
  return backend === "nft" ? "canary, nft" : "canary, legacy";
}

export function judgeFlight(backend: Backend, netns: string, flight: Flight): CheckResult {
  switch (flight.kind) {
    case "arrived":
      return fine(
        `marked, logged, read in ${milliseconds(flight.milliseconds)} (${flight.steps} step${flight.steps === 1 ? "" : "s"} of ${tracerWords(backend)})`,
      );
    case "not-tried":
      return unknown(flight.why);
    case "lost":
      return judgeLoss(backend, netns, flight.how);
  }
}

function judgeLoss(backend: Backend, netns: string, loss: Loss): CheckResult {
  switch (loss.stage) {
    case "arming":
    case "disarming":
      return failed(
        `the trace could not be ${loss.stage === "arming" ? "started" : "ended cleanly"}`,
        loss.message,
        mend([], loss.hint),
      );
    case "sending":
      return failed(
        `no datagram can be sent over loopback (${loss.errno})`,
        "the interface lo is down, has no address, or a rule at OUTPUT took the packet before it was marked",
        mend(within(netns, "ip link set lo up")),
      );
    case "selecting":
      return failed(
        "not marked: no selector saw the packet",
        "something took it before priority -350, or lo is down",
        mend([within(netns, "ip link show lo"), within(netns, "nft -a list ruleset")]),
      );
    case "marking":
      return failed(
        "seen by the selector, but not marked",
        "the rule's deadline is compared with the host's clock, which must have jumped",
        mend("timedatectl"),
      );
    case "logging":
      return failed(
        `marked, but ${tracerWords(backend)} told nothing of it${loss.lost > 0 ? ` (${loss.lost} events lost)` : ""}`,
        backend === "legacy"
          ? "its steps were not logged (no xt_TRACE in the kernel), or went elsewhere (net.netfilter.nf_log.2)"
          : "the kernel sent no trace event, or they were lost",
        mend(
          backend === "legacy"
            ? within(netns, "sysctl net.netfilter.nf_log.2")
            : within(netns, "nft monitor trace"),
        ),
      );
  }
}

function tracerWords(backend: Backend): string {
  return backend === "nft" ? "nf_tables" : "legacy ip_tables";
}

function milliseconds(value: number): string {
  return value < 10 ? `${Math.round(value * 10) / 10} ms` : `${Math.round(value)} ms`;
}
