#!/bin/sh
# CPU time of a packet that no trace has chosen, without and with nfpath's table, in nanoseconds: the least of five each, taken in turn.
# Needs root and a C compiler. Works in a network namespace of its own. Usage: bench/packet-cost.sh [FILTER]
set -eu
filter=${1:-udp port 7777}
here=$(dirname "$0")
netns=nfpBench$$
work=$(mktemp -d)
trap 'ip netns delete $netns; rm -r "$work"' EXIT
cc -O2 -o "$work/packet-cost" "$here/native/packet-cost.c"
ip netns add "$netns"
ip -n "$netns" link set lo up
measure() { ip netns exec "$netns" "$work/packet-cost" 300000 >>"$work/$1"; }
for kind in bare iptables; do
  if [ $kind = iptables ]; then
    # A host that filters with conntrack: what most packets cost before nfpath comes.
    ip netns exec "$netns" iptables-legacy -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
  fi
  for turn in 1 2 3 4 5; do
    measure $kind
    node "$here/../dist/cli/main.js" trace "$filter" --netns "$netns" --for 10m 2>"$work/said" &
    trace=$!
    until grep -q 'tracing for' "$work/said"; do sleep 0.1; done
    measure $kind-traced
    kill -INT $trace
    wait $trace
  done
  echo "$kind: $(sort -n "$work/$kind" | head -1) without, $(sort -n "$work/$kind-traced" | head -1) with"
done
