# Sourced by install and uninstall: their settings and the list of installed files. Needs die() and $0.

# settings NAME=VALUE...: sets DESTDIR, PREFIX, LIBDIR, SONAME, BUILD, and list, the file that names what is installed.
settings() {
  local word
  for word in "$@"; do
    case $word in
      DESTDIR=*|PREFIX=*|LIBDIR=*|SONAME=*|BUILD=*) printf -v "${word%%=*}" %s "${word#*=}";;
      -h|--help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0;;
      *) die "unknown setting $word (see --help)";;
    esac
  done
  DESTDIR=${DESTDIR-} PREFIX=${PREFIX:-/usr/local} SONAME=${SONAME:-debian} BUILD=${BUILD:-release}
  DESTDIR=${DESTDIR%/} PREFIX=${PREFIX%/} LIBDIR=${LIBDIR:-$PREFIX/lib} LIBDIR=${LIBDIR%/}
  case $PREFIX$LIBDIR in *[\|\&\\]*|*$'\n'*) die "no | & \\ or line ends in paths, please";; esac
  case $PREFIX:$LIBDIR in /*:/*) ;; *) die "PREFIX and LIBDIR are absolute paths";; esac
  case $DESTDIR in ''|/*) ;; *) die "DESTDIR is an absolute path";; esac
  list=$DESTDIR$LIBDIR/libdevmapper.installed
}

# remove_installed: removes what the list names, and directories (a slash at their end) that install had to make, if
# nothing else is in them now.
remove_installed() {
  local path directories=()
  while IFS= read -r path; do
    case $path in
      */) directories+=("$path");;
      *) rm -f "$DESTDIR$path";;
    esac
  done <"$list"
  rm -f "$list"
  for path in "${directories[@]}"; do rmdir --ignore-fail-on-non-empty "$DESTDIR${path%/}" 2>/dev/null || true; done
}
