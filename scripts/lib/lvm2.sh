# Sourced by build-lvm2, lib/netbsd/lvm2 and compat-tests/lvm2-unit-tests. Needs $top, say(), die() and lib/debian.sh.

# lvm2_source [TREE|TARBALL]: sets source to an unpacked LVM2 tree; by default Debian's source package 2.03.31.
lvm2_source() {
  source=${1-}
  if [ -z "$source" ]; then
    local cache=$top/build/lvm2-source
    source=$cache/lvm2-2.03.31
    [ -e "$cache/complete" ] || {
      say "fetching Debian's source package lvm2 2.03.31"
      rm -rf "$cache"; mkdir -p "$cache"
      debian_release "$cache/apt" trixie deb-src || die "cannot fetch the source package; give a source tree instead"
      (cd "$cache" && "${debian_apt[@]}" --download-only source lvm2=2.03.31-2 2>/dev/null || "${debian_apt[@]}" --download-only source lvm2)
      tar -C "$cache" -xf "$cache"/lvm2_2.03.31.orig.tar.*z
      [ -d "$source" ] || mv "$cache"/[lL][vV][mM]2*2.03.31*/ "$source"
      touch "$cache/complete"
    }
  elif [ -f "$source" ]; then
    unpacked=$(mktemp -d); trap 'rm -rf "$unpacked"' EXIT
    tar -C "$unpacked" -xf "$source" || die "$source is not a tarball that tar reads"
    source=$(find "$unpacked" -mindepth 1 -maxdepth 1 -type d | sed -n 1p)
  fi
  [ -e "$source/libdm" ] && [ -e "$source/configure" ] || die "$source is not an LVM2 source tree (no configure, no libdm)"
  source=$(cd "$source" && pwd -P)
}

# lvm2_unchanged SOURCE TREE: ends the script when a file of SOURCE is different in TREE, where it was built.
lvm2_unchanged() {
  local changed
  changed=$(cd "$1" && find . -type f ! -path './.git/*' | LC_ALL=C sort | while read -r f; do cmp -s "$f" "$2/$f" || echo "$f"; done)
  if [ -n "$changed" ]; then echo "$changed" >&2; die "the build changed source files"; fi
  say "source files unchanged: $(cd "$1" && find . -type f ! -path './.git/*' | wc -l) compared"
}

# lvm2_vars LIBRARY [VERSION]: sets the array vars, the make variables with which an LVM2 tree links LIBRARY instead of
# its own libdm. VERSION is what follows libdevmapper.so. in the name (default Debian's, 1.02.1).
lvm2_vars() {
  vars=("LIB_VERSION_DM=${2:-1.02.1}" "INTERNAL_LIBS=\$(top_builddir)/libdaemon/client/libdaemonclient.a $1 \$(top_builddir)/base/libbase.a")
}
