#!/bin/sh
# Sweeps: cells, shared simulations, replicates, interruptions, failures, tables.
. "$(dirname "$0")/lib.sh"

sed -e 's/{n: 4000}/{n: 2000}/; s/{n: 1000}/{n: 600}/; s/epochs: 4/epochs: 2/' \
    -e 's/observables: 500/observables: 300/; s/observables: 100/observables: 50/' \
    -e 's/warmup: 200, draws: 500/warmup: 50, draws: 100/; s/\[32, 32\]/[16]/' \
    small.yaml >base.yaml
cat >sweep.yaml <<'YAML'
extends: base.yaml
name: ablation
sweep:
  axes:
    target:
      theta_1: {infer: {target: [theta_1]}}
      'theta_1,theta_2': {infer: {target: [theta_1, theta_2]}}
    network:
      narrow: {}
      wide: {architecture: {params: {layers: [24, 24]}}}
YAML
cells="theta_1,narrow theta_1,wide theta_1,theta_2,narrow theta_1,theta_2,wide"
last=theta_1,theta_2,wide

exits 0 "a dry run" "$NEREID" run sweep.yaml -o whole -n
[ ! -e whole ] && [ "$(grep -c '^theta_1.*/r0$' out)" -eq 4 ] \
    && [ "$(grep -c 'simulate/.* run ' out)" -eq 3 ]
ok $? "four cells, which would draw three datasets together, and nothing made"
exits 0 "check" "$NEREID" check sweep.yaml
has out "sweep.yaml is fine: 4 cells"
exits 0 "check a replicate of one" "$NEREID" check sweep.yaml --cell theta_1,wide/r0
has out "sweep.yaml is fine: 1 cell"
exits 2 "check a replicate that is not there" "$NEREID" check sweep.yaml --cell theta_1,wide/r1
exits 0 "the sweep" "$NEREID" run sweep.yaml -o whole
has out "ablation: 4 of 4 runs done"
has out "$last"
[ "$(ls -d whole/store/*/ | wc -l)" -eq 3 ] \
    && [ "$(cat whole/cells/*/r0/log.txt | grep -c 'simulate/.*: runs')" -eq 3 ]
ok $? "each dataset is drawn once"
there whole/DONE

# A cell is what a lone run would be.
exits 0 "a run alone" "$NEREID" -q run base.yaml -o alone --set name=ablation \
    --set 'infer.target=[theta_1, theta_2]' --set 'architecture.params={layers: [24, 24]}'
same alone whole/cells/$last/r0 "a cell and a run alone"
exits 0 "explain" "$NEREID" explain whole/cells/$last/r0
has out "simulate/train           done     same inputs"
printf '0.5,-0.5\n' >seen.csv
exits 0 "infer with a cell" "$NEREID" -q infer whole/cells/$last/r0 --observation seen.csv -o seen
exits 0 "the resolved config of a cell" "$NEREID" -q run whole/cells/$last/r0/resolved.yaml -o again \
    --until train
cmp -s again/model/theta_1,theta_2/member-0/weights.h5 \
    whole/cells/$last/r0/model/theta_1,theta_2/member-0/weights.h5
ok $? "repeats it"
cp -r whole touched
exits 0 "another seed in the folder of a cell" "$NEREID" -q run \
    touched/cells/theta_1,wide/r0/resolved.yaml -o touched/cells/theta_1,wide/r0 --resume \
    --seed 5 --until simulate
diff -r whole/store touched/store >/dev/null
ok $? "leaves the simulations of the others alone"

# Tables: four rows in four formats.
python3 - <<'PY'
import csv, json, re, sys
cells = "theta_1,narrow theta_1,wide theta_1,theta_2,narrow theta_1,theta_2,wide".split()
t = json.load(open("whole/tables/coverage.json"))
good = [r["cell"] for r in t["rows"]] == cells and not t["partial"] and t["gaps"] == []
good &= all(c["sd_training"] is None and c["reason"] for r in t["rows"] for c in r["cells"])
for name in cells:
    own = json.load(open(f"whole/cells/{name}/r0/tables/coverage.json"))["rows"][0]
    row = next(r for r in t["rows"] if r["cell"] == name)
    good &= all(row[k] == own[k] for k in own)
rows = list(csv.DictReader(open("whole/tables/coverage.csv")))
good &= len(rows) == 24 and sorted({r["cell"] for r in rows}) == sorted(cells)
table = open("whole/tables/coverage.md").read().split("\n\n")[1].split("\n")
good &= len(table) == 6 and table[0].startswith("| cell ") and "theta_1,wide" in table[3]
rows = json.load(open("whole/tables/posterior.json"))["rows"]
good &= [r["cell"] for r in rows] == cells and "replicate" not in rows[0]
rows = list(csv.DictReader(open("whole/tables/posterior.csv")))
good &= len(rows) == 6 and {"cell", "parameter", "mean", "q0.5", "hdi95_low"} <= set(rows[0])
rows = json.load(open("whole/tables/timing.json"))["rows"]
good &= sum(r["reused"] for r in rows) == 9
for name in ("coverage", "posterior", "timing"):
    text = re.sub(r"(?m)^%.*$", "", open(f"whole/tables/{name}.tex").read())
    plain = re.sub(r"\\[{}]", "", text)
    good &= plain.count("{") == plain.count("}")
    for part in ("table", "tabular"):
        good &= text.count(f"\\begin{{{part}}}") == text.count(f"\\end{{{part}}}") > 0
    body = text[text.index("\\midrule"):text.index("\\bottomrule")]
    width = text[text.index("\\toprule"):].split("\\\\")[0].count("&")
    lines = [l for l in body.split("\\\\") if "&" in l]
    good &= len(lines) == (6 if name == "posterior" else 4)
    good &= all(l.count("&") - l.count("\\&") == lines[0].count("&") for l in lines)
page = open("whole/report.html").read()
good &= all(f'href="cells/{c}/r0/report.html"' in page for c in cells)
good &= 'href="tables/coverage.tex"' in page and "<script" not in page
sys.exit(not good)
PY
ok $? "tables and page"

# Killed, and resumed: the same bits.  The processes of its cells end with it.
"$NEREID" -q run sweep.yaml -o killed >out 2>err &
pid=$!
until_true 60 test -e killed/cells/theta_1,wide/r0/model
kill -9 $pid
wait $pid 2>/dev/null
[ ! -e killed/DONE ] && [ ! -e killed/cells/$last ]
ok $? "killed on its way"
exits 0 "status of a killed sweep" "$NEREID" status killed
has out "$last/r0"
has out "not begun"
exits 0 "the table of a killed sweep" "$NEREID" table killed -o partial
has out "Partial: "
has partial/coverage.md "Partial: "
has partial/coverage.tex "Partial: "
[ "$(value partial/coverage.json "['partial']")" = True ]
ok $? "it says that it is partial"
exits 9 "neither --resume nor --force" "$NEREID" run sweep.yaml -o killed
exits 5 "resumed with another config" "$NEREID" run sweep.yaml -o killed --resume --set train.epochs=3
has err "train.epochs changed: 2 -> 3"
exits 0 "resumed" "$NEREID" run sweep.yaml -o killed --resume
has err "theta_1,narrow/r0: finished before"
for cell in $cells; do
    same whole/cells/$cell/r0 killed/cells/$cell/r0 "$cell, resumed"
done
diff -r whole/store killed/store >/dev/null && cmp -s whole/tables/coverage.csv \
    killed/tables/coverage.csv
ok $? "the same simulations and table"

# Asked to stop.
"$NEREID" -q run sweep.yaml -o stopped --set train.epochs=100000 --set train.patience=0 >out 2>err &
pid=$!
until_true 60 test -e stopped/cells/theta_1,narrow/r0/metrics.jsonl
until_true 60 begun stopped/cells/theta_1,narrow/r0 train/theta_1
exits 0 "status" "$NEREID" status stopped
has out "theta_1,narrow/r0"
kill -TERM $pid
wait $pid
got=$?
[ $got -eq 75 ]
ok $? "SIGTERM: exit 75 (found $got)"
has err "--resume goes on from here"
[ ! -e stopped/DONE ] && [ ! -e stopped/FAILED ]
ok $? "neither done nor failed"

# One cell at a time; failures; replicates.
cat >fails.yaml <<'YAML'
extends: base.yaml
sweep:
  axes:
    simulator:
      crashes: {simulator: {plugin: crash_simulate, params: {}}}
      works: {}
      invalid: {simulator: {plugin: nan_output, params: {}}}
  replicates: 2
YAML
set -- fails.yaml --plugin-path "$PLUGINS" --until report --set infer.target=all \
    --set 'infer.observation={simulate: {n: 1}}'
exits 0 "one cell" "$NEREID" -q run "$@" -o failed --cell works
[ -e failed/cells/works/r1/DONE ] && [ ! -e failed/DONE ] && [ ! -e failed/cells/crashes ]
ok $? "both replicates of one cell"
exits 2 "an unknown cell" "$NEREID" run "$@" -o failed --cell work
has err "did you mean: --cell works"
exits 8 "cells that fail" "$NEREID" run "$@" -o failed --resume
has err "4 of 6 runs failed: crashes/r0 (exit 4"
has err "works/r1: finished before"
has out "Partial: 4 runs are missing: crashes/r0"
there failed/FAILED
there failed/cells/crashes/r0/FAILED
exits 8 "the first failure" "$NEREID" run "$@" -o fast --fail-fast
[ ! -e fast/cells/works ]
ok $? "stops the rest"
python3 - <<'PY'
import json, statistics, sys
t = json.load(open("failed/tables/coverage.json"))
[row] = t["rows"]
own = [json.load(open(f"failed/cells/works/r{k}/tables/coverage.json"))["rows"][0] for k in (0, 1)]
good = t["partial"] and len(t["gaps"]) == 4 and row["trainings"] == row["trainings_planned"] == 2
good &= abs(row["gain"] - (own[0]["gain"] + own[1]["gain"]) / 2) < 1e-15
for k, cell in enumerate(row["cells"]):
    values = [o["cells"][k]["coverage"] for o in own]
    good &= abs(cell["sd_training"] - statistics.stdev(values)) < 1e-12
    good &= abs(cell["coverage"] - sum(values) / 2) < 1e-12 and cell["n"] == 600
    low, high = cell["interval"]
    good &= low <= cell["coverage"] <= high
good &= own[0]["gain"] != own[1]["gain"]
rows = json.load(open("failed/tables/posterior.json"))["rows"]
good &= [r["replicate"] for r in rows] == [0, 1]
sys.exit(not good)
PY
ok $? "the spread over trainings"
exits 0 "status of a failed sweep" "$NEREID" status failed
has out "2 of 6 runs of failed are done"
has out "failed, exit 4"
exits 0 "status as JSON" "$NEREID" status failed --json
[ "$(value out "['done']")" = 2 ]
ok $? "counts what is done"
exits 0 "a table of several folders" "$NEREID" table alone failed -o several
has several/coverage.md "failed: works"
exits 5 "infer with a whole sweep" "$NEREID" infer failed --observation seen.csv
has err "'failed' is a sweep; take one of its runs"
exits 0 "a finished sweep again" "$NEREID" -q run sweep.yaml -o killed --resume --json
[ "$(value out "['cells'][3]['action']")" = reuse ] && [ "$(value out "['exit']")" = 0 ] \
    && [ -e "$(value out "['tables'][0]")" ]
ok $? "as JSON: nothing ran"
exits 7 "a gate that is new" "$NEREID" run sweep.yaml -o killed --resume --cell $last \
    --set diagnose.coverage.gate.gain=9
has err "gate missed: gain over the prior"
hasnt err "finished before"
exits 7 "the gate again" "$NEREID" run sweep.yaml -o killed --resume --cell $last \
    --set diagnose.coverage.gate.gain=9
has err "finished before"
exits 0 "the gate taken away" "$NEREID" run sweep.yaml -o killed --resume --cell $last
exits 5 "a table of nothing" "$NEREID" table base.yaml

# Refusals.
exits 9 "a run in the folder of a sweep" "$NEREID" run base.yaml -o whole --resume
exits 9 "a sweep in the folder of a run" "$NEREID" run sweep.yaml -o alone --resume
exits 2 "a cell of no sweep" "$NEREID" run base.yaml -o other --cell a
exits 3 "a wrong parameter" "$NEREID" run sweep.yaml -o other --sweep 'infer.target=[theta_1, theta_3]'
has err "the simulator has no parameter 'theta_3'"
exits 3 "a wrong value" "$NEREID" run sweep.yaml -o other --sweep 'train.epochs=[2, many]'
[ ! -e other ]
ok $? "nothing runs"
exits 0 "explain sweep" "$NEREID" explain sweep.replicates
finish
