# Sourced by demo, test and bench: what they share. Needs $top (the checkout) and $me (the script's name).

say() { printf '%s: %s\n' "$me" "$*"; }
die() { printf '%s: %s\n' "$me" "$*" >&2; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "must run as root: it makes block devices and mounts filesystems"; }

# need_packages NAME...: installs the Debian packages that are missing.
need_packages() {
  local missing=() p
  for p in "$@"; do dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null | grep '^install ok installed' >/dev/null || missing+=("$p"); done
  [ ${#missing[@]} = 0 ] && return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq install -y --no-install-recommends "${missing[@]}" >"$top/build/apt.log" 2>&1 ||
    { apt-get -qq update >>"$top/build/apt.log" 2>&1 && apt-get -qq install -y --no-install-recommends "${missing[@]}" >>"$top/build/apt.log" 2>&1; } ||
    { tail -5 "$top/build/apt.log" >&2; die "cannot install ${missing[*]}; see build/apt.log"; }
}

# need_rust: a cargo of Rust 1.95 or newer in PATH; Debian's rustc-web where there is none.
need_rust() {
  local version
  version=$(rustc --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
  if [ "${version:-0}" -lt 95 ]; then
    need_packages rustc-web cargo-web
    version=$(rustc --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
    [ "${version:-0}" -ge 95 ] || die "Rust 1.95 or newer is needed; this machine has $(rustc --version 2>/dev/null || echo none)"
  fi
}

# need_devices: what udmd needs of the kernel; one clear sentence for what is missing.
need_devices() {
  [ -c /dev/fuse ] || die "/dev/fuse is missing: the kernel needs FUSE (modprobe fuse)"
  [ -c /dev/loop-control ] || die "/dev/loop-control is missing: the kernel needs loop devices (modprobe loop)"
}

# reference_library: the directory of the reference library, Debian's libdevmapper.so.1.02.1.
reference_library() {
  local dir
  for dir in /usr/lib/x86_64-linux-gnu /lib/x86_64-linux-gnu /usr/lib64 /usr/lib; do
    [ ! -e "$dir/libdevmapper.so.1.02.1" ] || { echo "$dir"; return; }
  done
  die "the reference library, Debian's libdevmapper1.02.1, is needed"
}
mkdir -p "$top/build"
