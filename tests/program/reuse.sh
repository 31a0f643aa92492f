#!/bin/sh
# What is reused and why, existing output, --force, and the lock of a live process.
. "$(dirname "$0")/lib.sh"

exits 0 "first run" "$NEREID" -q run small.yaml -o run
cp -r run first
exits 9 "output exists" "$NEREID" run small.yaml -o run
has err "'run' holds results already; --resume goes on with it, --force moves it aside"
exits 0 "everything again" "$NEREID" run small.yaml -o run --resume
for unit in simulate/train simulate/validation simulate/test train/all infer/all \
    diagnose/coverage diagnose/area diagnose/predictive; do
    has err "$unit: reused (same inputs)"
done
same first run "reused"
has run/tables/timing.md "reused"

exits 0 "plan of another run" "$NEREID" run small.yaml -o run --resume -n --set train.epochs=5
has out "train.epochs changed: 4 -> 5"
has out "infer/all                run     train/all changed"
has out "simulate/train           reuse   same inputs"
same first run "a dry run changes nothing"
exits 0 "plan of a new run" "$NEREID" run small.yaml -o nowhere --dry-run --json
[ ! -e nowhere ] && [ "$(value out "['stages'][3]['reason']")" = "never ran" ]
ok $? "a dry run makes no folder"

exits 0 "five epochs" "$NEREID" run small.yaml -o run --resume --set train.epochs=5
has err "train/all: runs (train.epochs changed: 4 -> 5)"
has err "simulate/train: reused (same inputs)"
exits 0 "explained" "$NEREID" explain run
has out "train/all                done     same inputs"
exits 0 "four again" "$NEREID" run small.yaml -o run --resume
has err "train/all: runs (train.epochs changed: 5 -> 4)"
same first run "there and back"

exits 0 "more levels" "$NEREID" run small.yaml -o run --resume \
    --set 'diagnose.coverage.levels=[0.5]'
has err "train/all: reused (same inputs)"
has err "diagnose/coverage: runs (diagnose.coverage.levels changed: [0.68, 0.95, 0.997] -> [0.5])"
has err "diagnose/area: reused (same inputs)"
exits 0 "more rows" "$NEREID" run small.yaml -o run --resume --set datasets.train.n=5000
has err "simulate/train: runs (datasets.train.n changed: 4000 -> 5000)"
has err "train/all: runs (simulate/train changed)"
exits 0 "a quiet key" "$NEREID" run small.yaml -o run --resume --set datasets.train.n=5000 \
    --set name=other --set report.html=false
has err "train/all: reused (same inputs)"
rm run/posterior/all/summary.json
exits 0 "a lost result" "$NEREID" run small.yaml -o run --resume --set datasets.train.n=5000
has err "infer/all: runs (run/posterior/all/summary.json is gone)"

exits 0 "moved aside" "$NEREID" run small.yaml -o run --force
same first run "in a fresh folder"
[ "$(find . -maxdepth 1 -name 'run.old-*' | wc -l)" -eq 1 ]
ok $? "the old folder is kept"
exits 2 "resume and force" "$NEREID" run small.yaml -o run --force --resume

mkdir mine
echo precious >mine/config.yaml
for flag in --resume --force --quiet; do
    exits 9 "a folder of something else, $flag" "$NEREID" run small.yaml -o mine $flag
done
has err "'mine' exists and holds no results of nereid; choose another folder"
has mine/config.yaml precious
mkdir empty
exits 0 "an empty folder" "$NEREID" -q run small.yaml -o empty --until simulate

"$NEREID" -q run small.yaml -o busy --set train.epochs=100000 --set train.patience=0 2>/dev/null &
pid=$!
until_true 60 begun busy train/all
exits 10 "locked, --resume" "$NEREID" run small.yaml -o busy --resume
has err "'busy' is in use by process $pid on "
exits 10 "locked, --force" "$NEREID" run small.yaml -o busy --force
exits 10 "locked, neither" "$NEREID" run small.yaml -o busy
kill -0 $pid
ok $? "the live process goes on"
kill -9 $pid
wait $pid 2>/dev/null
echo half >busy/model/all/member-0/weights.h5.1-1.tmp # as if killed while it was written
exits 0 "free again" "$NEREID" run small.yaml -o busy --resume
same first busy "after the lock"
finish
