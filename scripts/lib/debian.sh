# Sourced by oracle, build-lvm2 and compat-tests/stock-binaries: packages of another Debian release than this machine's,
# downloaded with private lists from the mirror that this machine already uses. Nothing is installed.

# debian_mirror: that mirror's address.
debian_mirror() {
  local try mirror
  for try in "" update; do
    [ -z "$try" ] || apt-get -qq update >&2
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages' | sed /security/d | sed -n 1p)
    [ -z "$mirror" ] || { echo "$mirror"; return; }
  done
  echo "apt knows no Debian mirror" >&2; return 1
}

# debian_release DIR SUITE deb|deb-src: reads SUITE's lists into DIR and sets the array debian_apt, an apt-get that uses them.
debian_release() {
  local dir=$1 mirror
  mirror=$(debian_mirror) || return 1
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  echo "$3 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $2 main" >"$dir/sources.list"
  debian_apt=(apt-get -qq -o APT::Sandbox::User=root -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  "${debian_apt[@]}" update
}

# debian_lacking TREE PACKAGE...: the packages and those that they need, as far as this machine lacks them, unpacked into
# TREE; made once.
debian_lacking() {
  local tree=$1 work=$1.work; shift
  [ ! -e "$tree.ok" ] || return 0
  rm -rf "$tree" "$work"; mkdir -p "$work/archives/partial"
  apt-get -qq -o APT::Sandbox::User=root -o "Dir::Cache::archives=$work/archives" -o APT::Install-Recommends=false --download-only -y install "$@" \
    >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; return 1; }
  debian_unpack "$tree" "$work"/archives/*.deb
  rm -rf "$work"; touch "$tree.ok"
}

# debian_unpack TREE DEB...: unpacks packages into TREE, where bin, sbin and lib are usr's as on an installed system.
debian_unpack() {
  local tree=$1 deb dir; shift
  mkdir -p "$tree/usr" "$tree.new"
  for deb in "$@"; do dpkg-deb -x "$deb" "$tree.new"; done
  for dir in bin sbin lib lib64; do
    [ -d "$tree.new/$dir" ] || continue
    mkdir -p "$tree/usr/$dir"; cp -a "$tree.new/$dir/." "$tree/usr/$dir/"; rm -r "$tree.new/$dir"
  done
  cp -a "$tree.new/." "$tree/"; rm -r "$tree.new"
}
