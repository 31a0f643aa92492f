#!/bin/sh
# nereid report: the page anew from what is there; comparisons of runs that lack a part.
. "$(dirname "$0")/lib.sh"
set -- small.yaml --set train.epochs=2 --set datasets.train.n=1000 --set datasets.validation.n=200 \
    --set datasets.test.n=400 --set diagnose.coverage.observables=200

# What a page shows, but for the time that its run took.
shown() {
    sed -e 's/<p class="meta">[^<]*//' -e 's/[0-9.]* *s\. Tables/Tables/' "$1"
}
images() {
    grep -o '<img ' "$1" | wc -l
}
# nothing_new DIR WHAT: no file of DIR but its page is younger than ./before.
nothing_new() {
    [ -z "$(find "$1" -newer before -type f ! -name report.html)" ]
    ok $? "$2: nothing else is written"
}

exits 0 "a run" "$NEREID" -q run "$@" -o one
mv one/report.html whole.html
bits one >before.bits
touch before
exits 0 "its page anew" "$NEREID" report one
has out "Page: one/report.html."
[ "$(images whole.html)" -gt 3 ] && [ "$(images one/report.html)" = "$(images whole.html)" ]
ok $? "with the same figures"
python3 - <<'PY'
import re, sys
a, b = (re.sub(r'(?s)<details>.*?</details>|<p class="meta">[^<]*</p>', "", open(p).read())
        for p in ("whole.html", "one/report.html"))
sys.exit(a != b)
PY
ok $? "the same page"
nothing_new one "a page"
bits one | cmp -s - before.bits
ok $? "the results stay"
exits 0 "elsewhere" "$NEREID" report one -o pages/of/one.html --json
[ "$(value out "['page']")" = pages/of/one.html ] && [ "$(value out "['state']")" = done ] \
    && [ "$(images pages/of/one.html)" = "$(images whole.html)" ]
ok $? "as JSON"

# Without gnuplot: the figures of the run, and a word where there are none.
mkdir no-gnuplot
exits 0 "without gnuplot" env PATH="$work/no-gnuplot" "$NEREID" report one
[ "$(images one/report.html)" = "$(images whole.html)" ]
ok $? "the figures that the run has"
hasnt one/report.html "missing: gnuplot"
mv one/figures kept
exits 0 "without figures" env PATH="$work/no-gnuplot" "$NEREID" report one
[ "$(images one/report.html)" = 0 ]
ok $? "none"
has one/report.html "figures are missing: gnuplot"
exits 0 "with gnuplot again" "$NEREID" report one
[ "$(images one/report.html)" = "$(images whole.html)" ] && [ ! -e one/figures ]
ok $? "drawn anew"
mv kept one/figures

# A run that is not finished; results of another config are not shown as its own.
exits 0 "a part of a run" "$NEREID" -q run "$@" -o part --until train
exits 0 "its page" "$NEREID" report part
has part/report.html "this run is not complete"
has part/report.html "diagnostics/coverage.json (never ran)"
hasnt part/report.html 'id="answer"'
cp -r one changed
exits 0 "trained longer, no more" "$NEREID" -q run "$@" -o changed --resume --until train --set train.epochs=3
exits 0 "its page" "$NEREID" report changed --json
has out "posterior/all/summary.json (train/all changed)"
hasnt changed/report.html 'id="answer"'
hasnt changed/report.html 'id="belief"'
mv one/diagnostics/area.json area.json
echo '{"rows": [' >one/diagnostics/area.json
exits 5 "a damaged result" "$NEREID" report one
has err "one/diagnostics/area.json"
mv area.json one/diagnostics/area.json

exits 2 "of nothing" "$NEREID" report
exits 2 "of two" "$NEREID" report one part
exits 5 "not a run" "$NEREID" report .
exits 5 "not there" "$NEREID" report nowhere
exits 0 "help" "$NEREID" report --help
has out "page"
has out "--json"

# The page of a sweep.
exits 0 "a sweep" "$NEREID" -q run "$@" -o cells --set name=two --sweep 'train.epochs=[1, 2]'
mv cells/report.html cells.html
touch before
exits 0 "its page anew" "$NEREID" report cells
cmp -s cells.html cells/report.html
ok $? "the same page"
nothing_new cells "the page of a sweep"
exits 0 "without gnuplot" env PATH="$work/no-gnuplot" "$NEREID" report cells
cmp -s cells.html cells/report.html
ok $? "with the figure that is there"
exits 0 "elsewhere" "$NEREID" report cells -o pages/cells.html --json
has pages/cells.html "href=\"$work/cells/cells/"
has pages/cells.html "href=\"$work/cells/tables/coverage.tex\""
[ "$(value out "['state']")" = done ]
ok $? "as JSON"

# Comparisons: what a run lacks is said, and hides nothing of the others.
cells=$(ls cells/cells)
first=$(echo "$cells" | head -n 1)
exits 0 "both" "$NEREID" table cells -o both
has out "Pair by pair"
has both/paired.json '"gaps": []'
[ "$(value both/paired.json "['rows'].__len__()")" = 2 ]
ok $? "two cells side by side"
for pairs in cells/cells/"$first"/r0/diagnostics/pairs-*.h5; do
    printf 'damaged' | dd of="$pairs" bs=1 seek=3000 conv=notrunc 2>/dev/null
done
there both/comparison.csv
exits 0 "damaged pairs" "$NEREID" table cells -o both
has err "r0/diagnostics/pairs-all.h5' is damaged"
has out "The table paired lacks $first (diagnostics/pairs-all.h5 is damaged)"
[ ! -e both/paired.json ] && [ "$(value both/coverage.json "['partial']")" = False ]
ok $? "nothing is left to compare, all else is whole"
rm cells/cells/"$first"/r0/tables/quality.* cells/cells/"$first"/r0/tables/checks.*
exits 0 "an older run" "$NEREID" table cells -o both
has out "The table checks lacks $first (it has no tables/checks.json"
[ "$(value both/checks.json "['partial']")" = True ] && \
    [ "$(value both/quality.json "['gaps'][0]['cell']")" = "$first" ] && \
    [ "$(value both/coverage.json "['gaps']")" = "[]" ]
ok $? "gaps of these tables"
has both/quality.md "Partial: 1 run is missing: $first"
exits 0 "its page" "$NEREID" report cells
has cells/report.html "The table quality lacks $first"
echo '{"rows": 7' >cells/cells/"$first"/r0/tables/coverage.json
exits 0 "a damaged table" "$NEREID" table cells -o both
has err "r0/tables/coverage.json"
[ "$(value both/coverage.json "['gaps'][0]['reason']")" = "tables/coverage.json is damaged" ]
ok $? "is a gap"
rm cells/cells/*/r0/tables/coverage.*
exits 0 "no coverage at all" "$NEREID" table cells -o both
[ ! -e both/coverage.json ] && [ ! -e both/comparison.csv ] && [ ! -e both/comparison.svg ] && [ -e both/timing.json ]
ok $? "nothing of the former comparison stays"
finish
