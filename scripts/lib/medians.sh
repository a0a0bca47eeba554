# Sourced by parts of bench: two candidates side by side. Lines `CANDIDATE RUN WHAT NUMBER`, where WHAT may have blanks.

# medians A B: reads such lines; for each WHAT, in the order of their first appearance: the median of A's numbers, of B's,
# and the median of the ratios B/A of runs of the same number. Numbers are costs: less is better.
medians() {
  gawk -v a="$1" -v b="$2" '
    function median(v, n) { n = asort(v); return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2 }
    { run = $2; value = $NF; candidate = $1; what = $0; sub(/^[^ ]+ [^ ]+ /, "", what); sub(/ [^ ]+$/, "", what) }
    !(what in known) { known[what]; order[++count] = what }
    { all[candidate, what, run] = value; if (run > runs) runs = run }
    END {
      for (i = 1; i <= count; i++) {
        what = order[i]; delete r; delete o; delete q
        for (run = 1; run <= runs; run++) {
          r[run] = all[a, what, run]; o[run] = all[b, what, run]; q[run] = r[run] > 0 ? o[run] / r[run] : 1
        }
        x = median(r); y = median(o)
        m = median(q); slower = m > 1.05 ? "  slower" : ""
        printf "  %-48s %12.1f %12.1f   %.2f%s\n", what, x, y, m, slower
      }
    }'
}
heading() { say "$1"; printf '  %-48s %12s %12s   %s\n' '' "$2" "$3" ratio; }
