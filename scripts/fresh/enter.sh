#!/bin/sh
# Makes the directory $1 the root of this mount namespace and runs inside.sh there as $2… A chroot would not do: the kernel makes
# neither user namespaces nor pivoted roots in one. Called by unshare with namespaces of our own; everything here ends with them.
set -eu
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/.outside"
cd "$root"
pivot_root . .outside
cd /
umount -l /.outside
rmdir /.outside
exec env -i "$@"
