#!/bin/sh
# infer.method: abc: the closest simulations, no network; what is refused.
. "$(dirname "$0")/lib.sh"

exits 0 "a run" "$NEREID" -q run small.yaml -o run --set infer.method=abc --set infer.abc.keep=0.05
[ ! -e run/model ]
ok $? "nothing was trained"
there run/data/train/manifest.json
[ ! -e run/data/validation ]
ok $? "no validation rows, which choose a network's epoch"
has out "(abc, abc)"
has out "made of the 200 closest of 4000"
tr -s '\n ' '  ' <out | grep -q "may be believed was not checked: it is made of the closest simulations"
ok $? "what is not checked, and why"
has run/tables/coverage.md "method abc has no ratio"
hasnt run/tables/coverage.csv ",0.0000,"
there run/posterior/all/samples.nc
[ "$(value run/posterior/all/summary.json "['method']")" = abc ]
ok $? "the method"
[ "$(value run/posterior/all/summary.json "['observations'][0]['abc']['kept']")" = 200 ]
ok $? "how many were kept"
[ "$(value run/diagnostics/coverage.json "['rows'][0]['cells'][0]['coverage']")" = None ]
ok $? "coverage is missing, not 0"
[ "$(value run/diagnostics/area.json "['rows'][0]['mean']")" = None ]
ok $? "so is the area"
exits 0 "fewer simulations than a batch of training" "$NEREID" check small.yaml \
    --set infer.method=abc --set infer.abc.keep=0.1 --set datasets.train.n=200
exits 3 "which training needs" "$NEREID" check small.yaml --set datasets.train.n=200
exits 0 "again, with other threads" "$NEREID" -q run small.yaml -o again --set infer.method=abc \
    --set infer.abc.keep=0.05 -j 1
same run again "one thread and many" 2>find.err

# Nearer and nearer to the exact posterior N(x / 2, 0.05): by the grid of the exact ratio.
exits 0 "the exact posterior" "$NEREID" -q run small.yaml -o exact --until infer \
    --set estimator=exact --set 'infer.sampler={plugin: grid}'
exits 0 "more simulations" "$NEREID" -q run small.yaml -o far --until infer --set infer.method=abc \
    --set infer.abc.keep=0.5 --set datasets.train.n=100000
exits 0 "a thousandth" "$NEREID" -q run small.yaml -o near --until infer --set infer.method=abc \
    --set infer.abc.keep=0.005 --set datasets.train.n=100000
cat >near.py <<'PYTHON'
# Deviations fall towards the exact ones; means within errors at the narrow end.
import json
import math

def read(run):
    with open(f"{run}/posterior/all/summary.json") as file:
        return json.load(file)["observations"][0]

exact, far, near = read("exact"), read("far"), read("near")
n = near["abc"]["kept"]
assert n == 500 and far["abc"]["kept"] == 50000
assert near["abc"]["tolerance"] < far["abc"]["tolerance"]
for e, f, c in zip(exact["parameters"], far["parameters"], near["parameters"]):
    assert abs(e["sd"] - math.sqrt(0.05)) < 0.003, e["sd"]
    assert f["sd"] > 1.1 * e["sd"] and f["sd"] > c["sd"], (f["sd"], c["sd"])
    assert abs(c["mean"] - e["mean"]) < 4.5 * e["sd"] / math.sqrt(n) + 0.01, (c["mean"], e["mean"])
    assert abs(c["sd"] / e["sd"] - 1) < 4.5 / math.sqrt(2 * n) + 0.02, (c["sd"], e["sd"])
PYTHON
python3 near.py
ok $? "towards the exact posterior"

# In the folder of a ratio, whose grid is nobody's any more.
there exact/posterior/all/grid.h5
exits 0 "in the same folder" "$NEREID" -q run small.yaml -o exact --resume --until infer \
    --set infer.method=abc --set infer.abc.keep=0.05
there exact/posterior/all/samples.nc
[ ! -e exact/posterior/all/grid.h5 ]
ok $? "the grid of the ratio is gone"

# New observations, each for itself.
printf '0.1,-0.2\n0.3,0.2\n' >rows.csv
exits 0 "new rows" "$NEREID" -q infer run --observation rows.csv -o new
there new/posterior/all/1/samples.nc
exits 3 "rows taken together" "$NEREID" -q infer run --observation rows.csv --joint -o joint
has err "one observation at a time"
exits 2 "log ratios" "$NEREID" evaluate run --theta rows.csv --x rows.csv -o e.npy
exits 2 "networks" "$NEREID" export run --to onnx
has err "has no network"
exits 0 "draws" "$NEREID" export run --to csv
has run/export/all.csv "chain,draw,log_posterior,theta_1,theta_2"

# The other distance divides by the observation.
printf '0.1,0\n' >zero.csv
exits 0 "by ratios" "$NEREID" -q run small.yaml -o ratios --set infer.method=abc \
    --set infer.abc='{keep: 0.05, distance: ratio_variance}'
exits 5 "a zero to divide by" "$NEREID" -q infer ratios --observation zero.csv -o zero
has err "value 1 of the observation is 0"
has err "infer.abc.distance: standardised"

exits 3 "too few" "$NEREID" -q run small.yaml -o few --set infer.method=abc
has err "are 4, fewer than 20"
[ ! -e few ]
ok $? "before anything was simulated"
exits 3 "too few, by check" "$NEREID" -q check small.yaml --set infer.method=abc
exits 3 "with an estimator" "$NEREID" -q check small.yaml --set infer.method=abc --set estimator=exact
has err "infer.method: abc has no estimator"
exits 3 "a gate that nothing could miss" "$NEREID" -q check small.yaml --set infer.method=abc \
    --set diagnose.sbc.gate.fails=error
has err "diagnose.sbc.gate.fails: infer.method: abc has no ratio to judge"
exits 3 "online" "$NEREID" -q check small.yaml --set infer.method=abc --set 'train.online={reuse: 2}'
has err "needs stored simulations"
finish
