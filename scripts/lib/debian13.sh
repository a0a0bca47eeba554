# Sourced by compat-tests/stock-binaries, after debian.sh.

# debian13_tree TREE: a Debian 13 as the binaries need it, unpacked into TREE with its own libc; made once.
debian13_tree() {
  local tree=$1 work=$1.work dir
  [ ! -e "$tree.ok" ] || return 0
  rm -rf "$tree" "$work"; mkdir -p "$tree" "$work"; : >"$work/status"
  debian_release "$work/apt" trixie deb >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; return 1; }
  "${debian_apt[@]}" -o "Dir::State::status=$work/status" -o APT::Install-Recommends=false --download-only -y install \
    bash libc-bin ncurses-base coreutils sed grep gawk findutils util-linux mount fdisk e2fsprogs kmod udev busybox python3-minimal \
    dmsetup dmeventd lvm2 cryptsetup-bin kpartx parted thin-provisioning-tools >>"$work/log" 2>&1 || { tail -5 "$work/log" >&2; return 1; }
  debian_unpack "$tree" "$work"/apt/cache/archives/*.deb
  for dir in bin sbin lib lib64; do [ -e "$tree/$dir" ] || ln -s "usr/$dir" "$tree/$dir"; done
  [ -e "$tree/usr/bin/awk" ] || ln -s gawk "$tree/usr/bin/awk"
  mkdir -p "$tree"/{proc,sys,dev,run,tmp,usr/lib/modules}
  rm -rf "$work"; touch "$tree.ok"
}
