#!/bin/busybox sh
# First process of a test machine, in its initramfs. Makes a root file system of the host's own, seen through virtiofs and
# never written to: what the guest writes stays in its memory. `switch_root` and not `chroot`: the kernel starts
# /sbin/modprobe from the first root file system of all, which a chroot does not change.
#
# /settings sets: project, the project's directory; copy, a copy of it, which nobody edits while the tests run; kernel, the
# directory where the kernel's package is unpacked.

export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /host /memory /root
/bin/busybox --install -s /bin

fail() {
  echo "nfpath test machine: $1"
  poweroff -f
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
. /settings

for module in $(cat /modules/order); do
  insmod "/modules/$module" || fail "the module $module cannot be loaded"
done

mount -t virtiofs -o ro host /host || fail "the host's root file system cannot be mounted"
mount -t tmpfs tmpfs /memory
mkdir -p /memory/root /memory/root-work /memory/project /memory/project-work /memory/packages /memory/packages-work
mount -t overlay -o lowerdir=/host,upperdir=/memory/root,workdir=/memory/root-work overlay /root ||
  fail "no overlay over the host's root file system"
mount -t tmpfs tmpfs /root/tmp
mount -t tmpfs tmpfs /root/run

# The kernel's own package, as if it were installed.
mkdir -p "/root/lib/modules/$(uname -r)"
mount --bind "/host$kernel/lib/modules/$(uname -r)" "/root/lib/modules/$(uname -r)"
cp "/host$kernel/boot/config-$(uname -r)" /root/boot/

# The project may be somewhere in /tmp, which is empty here.
mkdir -p "/root$project"
mount -t overlay -o "lowerdir=/host$copy,upperdir=/memory/project,workdir=/memory/project-work" overlay "/root$project" ||
  fail "no overlay over the project"
modules=$project/node_modules
mount -t overlay -o "lowerdir=/host$modules,upperdir=/memory/packages,workdir=/memory/packages-work" overlay "/root$modules" ||
  fail "no overlay over the project's packages"

mount --move /proc /root/proc
mount --move /sys /root/sys
mount --move /dev /root/dev
exec switch_root /root /bin/sh "$project/scripts/kernels/guest/run.sh"
