import { describe, expect, test } from "vitest";
import type { Sighting } from "../../../src/core/events/event.ts";
import {
  canFollow,
  hooksByInterfaces,
  type Place,
  placeOfJumpedChain,
} from "../../../src/core/journeys/place.ts";
import type { Hook } from "../../../src/core/netfilter/hook.ts";
import { unknownPacket } from "../../../src/core/packets/packet.ts";

function at(hook: Hook, priority: number | null = null): Place {
  return { hook, priority, isNat: false, isBase: true };
}

function through(inside: string | null, outside: string | null): Sighting {
  return {
    packet: unknownPacket("ip"),
    in: inside,
    out: outside,
    physIn: null,
    physOut: null,
    mark: null,
    uid: null,
    gid: null,
  };
}

describe("the way of a packet", () => {
  test.each<[Hook, Hook, boolean, boolean]>([
    // from, to, over loopback, possible
    ["prerouting", "input", false, true],
    ["prerouting", "forward", false, true],
    ["prerouting", "postrouting", false, true],
    ["prerouting", "output", false, false],
    ["forward", "postrouting", false, true],
    ["forward", "prerouting", false, false],
    ["output", "postrouting", false, true],
    ["output", "prerouting", false, false],
    ["output", "prerouting", true, true],
    ["postrouting", "prerouting", false, false],
    ["postrouting", "prerouting", true, true],
    ["postrouting", "forward", true, false],
    ["input", "prerouting", true, false],
    ["input", "forward", true, false],
  ])("from %s to %s (loopback %s): %s", (from, to, overLoopback, isPossible) => {
    expect(canFollow(at(from), at(to), "another", overLoopback)).toBe(isPossible);
  });

  test("at one hook, priorities rise", () => {
    expect(canFollow(at("prerouting", -300), at("prerouting", -150), "another", false)).toBe(true);
    expect(canFollow(at("prerouting", -150), at("prerouting", -300), "another", false)).toBe(false);
    expect(canFollow(at("input", 0), at("input", 0), "another", false)).toBe(true);
  });

  test("a chain that has ended is not walked again in the same pass", () => {
    expect(canFollow(at("input", 0), at("input", 0), "goes-on", false)).toBe(true);
    expect(canFollow(at("input", 0), at("input", 0), "again", false)).toBe(false);
    expect(canFollow(at("input"), at("input"), "again", false)).toBe(false);
  });
});

test("interfaces tell which hooks are possible", () => {
  expect(hooksByInterfaces(through("eth0", null))).toEqual(["prerouting", "input"]);
  expect(hooksByInterfaces(through("eth0", "eth1"))).toEqual(["forward", "postrouting"]);
  expect(hooksByInterfaces(through(null, "eth1"))).toEqual(["output", "postrouting"]);
  expect(hooksByInterfaces(through(null, null))).toEqual([]);
});

test("a chain that was jumped to from nowhere is placed by its table and the interfaces", () => {
  const chain = { tracer: "xtables", family: "ip", netns: null, chain: "KUBE-FORWARD" } as const;
  expect(placeOfJumpedChain({ ...chain, table: "filter" }, through("cni0", "eth0"))?.hook).toBe("forward");
  expect(placeOfJumpedChain({ ...chain, table: "nat" }, through("eth0", null))?.hook).toBe("prerouting");
  expect(placeOfJumpedChain({ ...chain, table: "nat" }, through("eth0", "cni0"))?.hook).toBe("postrouting");
  expect(placeOfJumpedChain({ ...chain, table: "filter" }, through("eth0", null))?.hook).toBe("input");
  expect(placeOfJumpedChain({ ...chain, table: "filter" }, null)).toBeNull();
});

describe("the way of a frame", () => {
  const frame = (hook: Hook): Place => ({ ...at(hook, 0), isFrame: true });
  const ip = (hook: Hook): Place => at(hook, 0);

  test.each<[string, Place, Place, boolean]>([
    ["comes in by a device and goes on to a bridge", frame("ingress"), frame("prerouting"), true],
    ["comes in by a device and goes on to IP", frame("ingress"), ip("prerouting"), true],
    ["is handed up by a bridge to IP", frame("input"), ip("prerouting"), true],
    ["is handed up by a bridge to the bridge's own device", frame("input"), frame("ingress"), true],
    ["is not handed up to where packets are made", frame("input"), ip("output"), false],
    ["leaves IP by a bridge", ip("postrouting"), frame("output"), true],
    ["leaves IP by a device", ip("postrouting"), frame("egress"), true],
    ["does not come back from a device that it left by", frame("egress"), ip("prerouting"), false],
    ["passes IP's hooks inside the bridge's", frame("prerouting"), ip("prerouting"), true],
    ["and is the bridge's again", ip("prerouting"), frame("forward"), true],
    ["does not leave by a bridge once it was delivered", ip("input"), frame("postrouting"), false],
  ])("%s", (_says, from, to, expected) => {
    expect(canFollow(from, to, "another", false)).toBe(expected);
  });
});
