/**
 * A filter for wherever the chosen packets may be on their way: before and behind NAT, whole or in fragments.
 *
 * NAT changes addresses and ports, a fragment has neither ports nor the packet's length, and captures know no `on IFACE`.
 * What stays the same everywhere is the family and the protocol; the result is wider than the filter and never narrower.
 */
import type { Filter } from "./filter.ts";

/** Null: any packet may be one. */
export function anywhereOnItsWay(filter: Filter | null): Filter | null {
  if (filter === null) return null;
  switch (filter.kind) {
    case "and": {
      const left = anywhereOnItsWay(filter.left);
      const right = anywhereOnItsWay(filter.right);
      if (left === null || right === null) return left ?? right;
      return { kind: "and", left, right };
    }
    case "or": {
      const left = anywhereOnItsWay(filter.left);
      const right = anywhereOnItsWay(filter.right);
      return left === null || right === null ? null : { kind: "or", left, right };
    }
    case "not":
      // What is wider inside would be narrower outside.
      return staysTheSame(filter.operand) ? filter : null;
    case "family":
    case "protocol":
      return filter;
    case "port":
      return filter.protocol === null ? null : { kind: "protocol", number: filter.protocol, family: null };
    case "address":
      // `host A` behind NAT64 would be of the other family; netfilter has no such NAT.
      return { kind: "family", family: filter.family };
    case "tcp-flags":
      return { kind: "protocol", number: 6, family: "ip" };
    case "icmp-type":
    case "icmp-code":
      return filter.family === "ip"
        ? { kind: "protocol", number: 1, family: "ip" }
        : { kind: "protocol", number: 58, family: "ip6" };
    case "length":
    case "interface":
    case "way":
      return null;
  }
}

function staysTheSame(filter: Filter): boolean {
  switch (filter.kind) {
    case "and":
    case "or":
      return staysTheSame(filter.left) && staysTheSame(filter.right);
    case "not":
      return staysTheSame(filter.operand);
    default:
      return filter.kind === "family" || filter.kind === "protocol";
  }
}
