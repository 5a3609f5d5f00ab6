/** What a canary's flight means, as an answer like any other. */
import type { Flight, Loss } from "../../lab/canary.ts";
import type { Backend } from "../../lab/requirements.ts";
import { type CheckResult, failed, fine, mend, unknown } from "./check.ts";
import { within } from "./commands.ts";

export function canaryTitle(backend: Backend): string {
  return backend === "nft" ? "canary, nft" : "canary, legacy";
}

/** `freeing`: commands that take away what drops packets of the host before they are marked, as its rules tell. */
export function judgeFlight(
  backend: Backend,
  netns: string,
  flight: Flight,
  freeing: readonly string[] = [],
): CheckResult {
  switch (flight.kind) {
    case "arrived":
      return fine(
        `marked, logged, read in ${milliseconds(flight.milliseconds)} (${flight.steps} step${flight.steps === 1 ? "" : "s"} of ${tracerWords(backend)})`,
      );
    case "not-tried":
      return unknown(flight.why);
    case "lost":
      return judgeLoss(backend, netns, flight.how, freeing);
  }
}

function judgeLoss(backend: Backend, netns: string, loss: Loss, freeing: readonly string[]): CheckResult {
  switch (loss.stage) {
    case "arming":
    case "disarming":
      return failed(
        `the trace could not be ${loss.stage === "arming" ? "started" : "ended cleanly"}`,
        loss.message,
        mend([], loss.hint),
      );
    case "sending":
      return judgeSending(netns, loss.errno, freeing);
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

function judgeSending(netns: string, errno: string, freeing: readonly string[]): CheckResult {
  const what = `no datagram can be sent over loopback (${errno})`;
  // What a rule at OUTPUT drops, the sender is told of with EPERM (`__ip_local_out`, `nf_hook_slow`).
  if (errno !== "EPERM")
    return failed(
      what,
      "the interface lo is down or has no address",
      mend(within(netns, "ip link set lo up")),
    );
  return failed(
    what,
    "a rule at OUTPUT dropped it before it was marked",
    freeing.length === 0
      ? mend(within(netns, "nft -a list ruleset"))
      : mend(freeing, "it deletes a rule of this host: only if what that keeps in may go out"),
  );
}

function tracerWords(backend: Backend): string {
  return backend === "nft" ? "nf_tables" : "legacy ip_tables";
}

function milliseconds(value: number): string {
  return value < 10 ? `${Math.round(value * 10) / 10} ms` : `${Math.round(value)} ms`;
}
