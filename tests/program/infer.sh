#!/bin/sh
# A trained run on new observations, and log ratios of given pairs.
. "$(dirname "$0")/lib.sh"

npy() {
    python3 "$SOURCE/tests/program/npy.py" "$@"
}

exits 0 "a trained run" "$NEREID" -q run small.yaml -o run --set 'infer.target=[all, [theta_1]]' \
    --set infer.sampler.gate.ess=123
cp -r run before
printf '0.1,-0.2\n0.3,0.2\n-0.1,0\n' >day-9.csv

exits 0 "each row" "$NEREID" infer run --observation day-9.csv --each
has out "observation 2"
there run/inferences/day-9/posterior/all/1/samples.nc
there run/inferences/day-9/posterior/theta_1/2/grid.h5
[ "$(value run/inferences/day-9/tables/posterior.json "['rows'].__len__()")" -ge 6 ] 2>/dev/null \
    || [ "$(value run/inferences/day-9/posterior/all/summary.json "['observations'].__len__()")" -eq 3 ]
ok $? "three posteriors of each target"
exits 9 "again" "$NEREID" infer run --observation day-9.csv
has err "--force moves it aside, -o names another"
exits 0 "with force" "$NEREID" -q infer run --observation day-9.csv --force -j 1
exits 0 "elsewhere" "$NEREID" -q infer run --observation day-9.csv -o e -j 2
cmp -s e/posterior/all/1/samples.nc run/inferences/day-9/posterior/all/1/samples.nc
ok $? "the same bits again"
same before run "nothing of the run has changed"

exits 0 "joint" "$NEREID" -q infer run --observation day-9.csv --joint --target all -o joint
there joint/posterior/all/samples.nc
each=$(value e/posterior/all/summary.json "['observations'][0]['parameters'][0]['sd']")
joint=$(value joint/posterior/all/summary.json "['observations'][0]['parameters'][0]['sd']")
python3 -c "import sys; sys.exit(not $joint < $each)"
ok $? "three rows say more than one: $joint < $each"
exits 3 "joint, of a part of theta" "$NEREID" infer run --observation day-9.csv --joint --target theta_1 -o j
has err "target 'theta_1' leaves parameters out"
has err "infer.nuisance: per_observation"
exits 2 "each and joint" "$NEREID" infer run --observation day-9.csv --each --joint -o j

exits 0 "the grid" "$NEREID" -q infer run --observation day-9.csv --sampler grid -o grid
[ "$(value grid/posterior/all/summary.json "['method']")" = grid ]
ok $? "by the grid"
grid=$(value grid/posterior/theta_1/summary.json "['observations'][0]['parameters'][0]['mean']")
chains=$(value e/posterior/theta_1/summary.json "['observations'][0]['parameters'][0]['mean']")
python3 -c "import sys; sys.exit(not abs($grid - $chains) < 0.05)"
ok $? "grid and chains agree: $grid, $chains"
exits 0 "other chains" "$NEREID" -q infer run --observation day-9.csv --sampler metropolis --target theta_1 -o gate
[ "$(value gate/posterior/theta_1/summary.json "['observations'][0]['gate']['ess']")" = 123.0 ]
ok $? "the gate is that of the run"
exits 4 "no such sampler" "$NEREID" infer run --observation day-9.csv --sampler metropolix -o m
has err "did you mean 'metropolis'"
exits 2 "no such target" "$NEREID" infer run --observation day-9.csv --target theta_2 -o m
exits 0 "as JSON" "$NEREID" -q infer run --observation day-9.csv --json -o js
[ "$(value out "['exit']")" = 0 ]
ok $? "exit 0 in it"

printf '0.1,-0.2\n0.3\n' >short.csv
exits 5 "a row of the wrong length" "$NEREID" infer run --observation short.csv
has err "short.csv"
printf '0.1,-0.2\n0.3,nan\n' >nan.csv
exits 5 "no number" "$NEREID" infer run --observation nan.csv
npy write three.npy f4 3 0.1 0.2 0.3
exits 5 "three values for two" "$NEREID" infer run --observation three.npy
has err "three.npy"
exits 5 "no such file" "$NEREID" infer run --observation nowhere.csv
exits 5 "no run" "$NEREID" infer . --observation day-9.csv
has err "is not a run directory"
exits 2 "no observation" "$NEREID" infer run
mkdir unfinished
cp run/*.yaml run/*.json unfinished
exits 5 "not trained yet" "$NEREID" infer unfinished --observation day-9.csv
[ ! -e run/inferences/short ] && [ ! -e run/inferences/three ]
ok $? "nothing is left of what was refused"

# Pairs: a point, and steps along each parameter.
npy write theta.npy f8 2 0.2 -0.1 0.201 -0.1 0.199 -0.1 0.2 -0.099 0.2 -0.101
npy write x.npy f4 2 0.15 -0.3
exits 0 "evaluate" "$NEREID" evaluate run --theta theta.npy --x x.npy -o out.npy
[ "$(npy shape out.npy)" = "5 4" ]
ok $? "shape [n][2 + k]"
npy gradient out.npy 0.001
ok $? "the gradient is that of the log ratio"
npy write x5.npy f4 2 0.15 -0.3 0.15 -0.3 0.15 -0.3 0.15 -0.3 0.15 -0.3
exits 0 "a row of x for each theta" "$NEREID" evaluate run --theta theta.npy --x x5.npy -o out5.npy
npy show out.npy >one
npy show out5.npy >each
python3 - <<'EOF'
import sys
a, b = ([[float(v) for v in line.split()] for line in open(f)] for f in ("one", "each"))
sys.exit(max(abs(p - q) for r, s in zip(a, b) for p, q in zip(r, s)) > 1e-5)
EOF
ok $? "one x for all and one for each agree"
# log posterior - log ratio = log prior: two normals of variance 0.1.
python3 - <<'EOF'
import math, sys
theta = (0.2, -0.1)
row = [float(v) for v in open("one").readline().split()]
prior = sum(-0.5 * t * t / 0.1 - 0.5 * math.log(2 * math.pi * 0.1) for t in theta)
sys.exit(abs(row[1] - row[0] - prior) > 1e-9)
EOF
ok $? "the prior is in the second column"
npy write t1.npy f8 1 0.2 0.3
exits 0 "the other target" "$NEREID" evaluate run --target theta_1 --theta t1.npy --x x.npy -o o1.npy
[ "$(npy shape o1.npy)" = "2 3" ]
ok $? "shape [n][2 + k]"
exits 5 "x of another number of rows" "$NEREID" evaluate run --theta theta.npy --x day-9.csv -o o.npy
npy write x3.npy f4 2 1 2 3 4 5 6
exits 5 "x of another number of rows" "$NEREID" evaluate run --theta theta.npy --x x3.npy -o o.npy
has err "has 3 rows for 5 thetas"
exits 5 "theta of another width" "$NEREID" evaluate run --theta t1.npy --x x.npy -o o.npy
exits 2 "no x" "$NEREID" evaluate run --theta t1.npy -o o.npy

exits 0 "a run with bounds" "$NEREID" -q run small.yaml -o bounded --until train \
    --set 'parameters={theta_1: {prior: {uniform: [-0.5, 0.5]}}}'
npy write theta.npy f8 2 0.2 -0.1 0.4 0.9 0.6 0.1
exits 5 "theta outside the prior" "$NEREID" evaluate bounded --theta theta.npy --x x.npy -o o.npy
has err "'theta.npy': row 2: theta_1 = 0.6 lies outside its prior"
finish
