# Sourced by what works on a udmd of its own. Needs $top (the checkout) and $me (the script's name).
#
# udmd_up COUNT SIZE
#   a scratch directory $work (in $udmd_where, else /tmp), COUNT loop devices "${loops[@]}" over sparse files of SIZE, and a
#   $udmd with the sockets $work/control, which the library is told of, and $work/plist. All of it goes when the script
#   ends, however it ends; the script's function undo, if it has one, runs before that, while there is a daemon.
# udmd_start
#   starts a daemon: after the death of the one before
# udmd_conf
#   an lvm.conf in $work/etc for which those loop devices are the whole world

udmd_down() {
  local status=$? l
  trap '' INT TERM HUP; trap - EXIT; set +e
  [ "$(type -t undo)" != function ] || undo
  for m in "$work"/mnt "$work"/mnt/*; do mountpoint -q "$m" 2>/dev/null && umount -l "$m"; done
  [ -S "$work/control" ] && "$udmd" --socket "$work/control" stop --force >>"$work/udmd.log" 2>&1
  for l in "${loops[@]}"; do losetup -d "$l"; done
  [ "$udmd_mapper" = 1 ] && rmdir /dev/mapper 2>/dev/null
  if [ $status != 0 ]; then
    [ -s "$work/udmd.log" ] && { echo "--- the last lines of udmd's log"; tail -15 "$work/udmd.log"; }
    echo "$me: FAILED (status $status)"
  fi
  rm -rf --one-file-system "$work"
  exit $status
}

udmd_up() {
  local count=$1 size=$2 i
  udmd=${CARGO_TARGET_DIR:-$top/target}/release/udmd
  [ -x "$udmd" ] || { echo "$me: $udmd is missing: cargo build --release -p udmd" >&2; exit 1; }
  [ "$(id -u)" = 0 ] || { echo "$me: must run as root" >&2; exit 1; }
  work=$(mktemp -d "${udmd_where:-/tmp}/$me-udmd.XXXXXX") loops=() udmd_mapper=0
  [ -d /dev/mapper ] || udmd_mapper=1
  trap udmd_down EXIT; trap 'exit 130' INT; trap 'exit 143' TERM HUP
  udmd_start
  for ((i = 1; i <= count; i++)); do
    truncate -s "$size" "$work/pv$i"
    # tmpfs has direct I/O since Linux 6.6.
    loops+=("$(losetup --direct-io=on --show -f "$work/pv$i" 2>/dev/null || losetup --show -f "$work/pv$i")")
  done
  export LIBDEVMAPPER_TRANSPORT=udmd:$work/control DM_DISABLE_UDEV=1 LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1
}

udmd_start() { "$udmd" --socket "$work/control" --plist-socket "$work/plist" --log "$work/udmd.log"; }

udmd_conf() {
  mkdir -p "$work/etc"
  cat >"$work/etc/lvm.conf" <<CONF
devices { obtain_device_list_from_udev = 0 external_device_info_source = "none" use_devicesfile = 0 global_filter = [ $(printf '"a|^%s$|", ' "${loops[@]}")"r|.*|" ] }
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
backup { backup = 0 archive = 0 }
global { use_lvmpolld = 0 event_activation = 0 }
CONF
  export LVM_SYSTEM_DIR=$work/etc
}
