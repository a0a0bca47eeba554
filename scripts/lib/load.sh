# Sourced after udmd.sh by what kills udmd under load. Needs fio.
#
# load FIO-OPTION...
#   fio writes at random and verifies what it wrote, with direct I/O, until it is told to stop
# unload
#   ends all of it; fails when one had an error, or read what it had not written
# again
#   kills the daemon, another takes over; fails when a load has ended
# slow NAME DEVICE MS
#   the mapped device NAME over DEVICE, all of it, takes MS milliseconds for each write from now on
# pid
#   prints the daemon's process

command -v fio >/dev/null || { echo "$me: fio is missing" >&2; exit 1; }
fios=()

pid() { "$udmd" --socket "$work/control" status | sed -n 's/.*pid \([0-9]*\).*/\1/p' | sed -n 1p; }

again() {
  local old fio; old=$(pid)
  [ -n "$old" ] || { echo "udmd tells no pid"; return 1; }
  kill -9 "$old"
  while kill -0 "$old" 2>/dev/null; do sleep 0.02; done
  udmd_start
  for fio in "${fios[@]}"; do
    kill -0 "$fio" 2>/dev/null || { echo "fio ended with an error"; return 1; }
  done
}

slow() {
  "$dm" reload "$1" --table "0 $(blockdev --getsz "$2") delay $2 0 0 $2 0 $3"
  "$dm" resume "$1"
}

load() {
  (cd "$work" && exec fio --name="load${#fios[@]}" --rw=randwrite --bs=4k --iodepth=8 --ioengine=libaio --direct=1 \
    --verify=crc32c --do_verify=1 --verify_fatal=1 --verify_backlog=256 --time_based --runtime=600 "$@") >"$work/fio${#fios[@]}.log" 2>&1 &
  fios+=($!)
}

unload() {
  local n log
  for n in "${!fios[@]}"; do
    log=$work/fio$n.log
    kill -INT "${fios[n]}" 2>/dev/null || true; wait "${fios[n]}" || true
    if grep -Eq 'err=[1-9ENOP]|verify: bad' "$log" || ! grep -q 'err= *0' "$log"; then cat "$log"; return 1; fi
  done
  fios=()
}

# For undo: ends the loads, and shows what they said when the script fails.
drop_loads() {
  local n
  for n in "${!fios[@]}"; do
    kill "${fios[n]}" 2>/dev/null; wait "${fios[n]}" 2>/dev/null
    [ "$status" = 0 ] || grep -vE "^ *(lat|clat|slat|cpu|IO depths|submit|complete|iops|bw)" "$work/fio$n.log"
  done
}
