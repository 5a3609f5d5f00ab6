#!/bin/sh
# The tests in a test machine, as its first process: when it ends, the machine goes off. The second serial line carries the
# results (see results.js), the first one, the console, everything else.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 CI=1 NO_COLOR=1
stty -F /dev/ttyS1 raw -echo
mkdir -p /dev/shm /dev/pts /run/as-booted
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
ip link set lo up
cd "$(dirname "$0")/../../.." || exit

# As a host is before anybody has asked it for a trace.
cp /proc/sys/net/netfilter/nf_log/2 /run/as-booted/logger
cp /proc/modules /run/as-booted/modules

printf '{"event":"up","node":"%s","release":"%s"}\n' "$(node --version)" "$(uname -r)" >/dev/ttyS1
# By the machine's own clock, which stands still while the host is busy with something else.
xargs -d '\n' timeout --kill-after=30 1800 \
  node node_modules/vitest/vitest.mjs run --config test/kernels/vitest.config.ts <kernel-tests 2>&1 | cat
# What the tests recorded of this kernel, for whoever wants to commit it.
[ -d /run/kept ] && printf '{"event":"kept","tar":"%s"}\n' "$(tar -C /run/kept -cz . | base64 -w0)" >/dev/ttyS1
echo o >/proc/sysrq-trigger
sleep 60
