#!/bin/sh
# nereid simulate: by name and by config, into each format; and runs on simulations from files.
. "$(dirname "$0")/lib.sh"

npy() {
    python3 "$SOURCE/tests/program/npy.py" "$@"
}

exits 0 "by name, npy" "$NEREID" simulate gaussian_linear -n 7 -o a.npy
[ "$(npy shape a.npy)" = "7 10" ] && [ "$(npy shape a.theta.npy)" = "7 10" ]
ok $? "x and theta have 7 rows"
exits 0 "more rows, more threads" "$NEREID" simulate gaussian_linear -n 3000 -o b.npy -j 3
npy show b.npy >all.b
head -n 7 all.b >rows.b
npy show a.npy >rows.a
cmp -s rows.a rows.b
ok $? "the first rows are the same"
exits 0 "another seed" "$NEREID" simulate gaussian_linear -n 7 --seed 1 -o c.npy
! cmp -s a.npy c.npy
ok $? "another seed gives other rows"

exits 0 "by config, csv" "$NEREID" simulate small.yaml -n 5 -o s.csv
[ "$(grep -vc '^#' s.csv)" -eq 6 ] && head -n 1 s.csv | grep -q 'theta_1'
ok $? "a header and 5 rows"
exits 0 "by config, h5" "$NEREID" simulate small.yaml -n 4000 -o s.h5
exits 0 "one row at a point" "$NEREID" simulate small.yaml --at theta_1=0.5,theta_2=-0.25 -o at.npy
[ "$(npy show at.theta.npy)" = "0.5 -0.25" ]
ok $? "theta is the point"
exits 0 "the others at their nominal values" "$NEREID" simulate small.yaml --at theta_2=1e-1 -o at.npy
[ "$(npy show at.theta.npy)" = "0.3 0.1" ]
ok $? "theta is nominal but for one"
exits 2 "no such parameter" "$NEREID" simulate small.yaml --at theta_3=1 -o at.npy
has err "did you mean theta_"
exits 2 "no number" "$NEREID" simulate small.yaml --at theta_1=one -o at.npy
exits 2 "outside the prior" "$NEREID" simulate boarding_school --at beta=100 -o at.npy
has err "beta = 100 lies outside its prior log_uniform(0.5, 10)"
exits 4 "no such simulator" "$NEREID" simulate gaussian_lineal -n 3 -o x.npy
has err "did you mean 'gaussian_linear'"
exits 2 "no file" "$NEREID" simulate gaussian_linear -n 3
exits 2 "an unknown ending" "$NEREID" simulate gaussian_linear -n 3 -o x.txt
exits 2 "no row" "$NEREID" simulate gaussian_linear -n 0 -o x.npy
exits 1 "more rows than memory" "$NEREID" simulate gaussian_linear -n 9000000000000000000 -o x.npy
exits 5 "no such folder" "$NEREID" simulate gaussian_linear -n 3 -o nowhere/x.npy

"$NEREID" -q simulate boarding_school -n 2000000 -o long.npy 2>err &
pid=$!
sleep 0.5
kill -TERM $pid
wait $pid
ok "$(($? != 75))" "interrupted: exit 75"
[ ! -e long.npy ]
ok $? "no half a file"

# The same simulations from files train the same networks as if they had been drawn.
exits 0 "validation, npy" "$NEREID" simulate small.yaml -n 1000 --seed 5 -o v.npy
exits 0 "test, npy" "$NEREID" simulate small.yaml -n 1000 --seed 6 -o t.npy
exits 0 "training, npy" "$NEREID" simulate small.yaml -n 4000 -o s.npy
files="--set datasets.validation={theta: $work/v.theta.npy, x: $work/v.npy}"
test="--set=datasets.test={theta: $work/t.theta.npy, x: $work/t.npy}"
exits 0 "a run on files" "$NEREID" -q run small.yaml -o h5 "${files%% *}" "${files#* }" "$test" \
    --set "datasets.train={file: $work/s.h5}"
exits 0 "the same as npy" "$NEREID" -q run small.yaml -o npy "${files%% *}" "${files#* }" "$test" \
    --set "datasets.train={theta: $work/s.theta.npy, x: $work/s.npy}"
cmp -s h5/model/all/member-0/weights.h5 npy/model/all/member-0/weights.h5 \
    && cmp -s h5/tables/coverage.json npy/tables/coverage.json
ok $? "HDF5 and npy give the same bits"
exits 0 "reused" "$NEREID" run small.yaml -o npy --resume "${files%% *}" "${files#* }" "$test" \
    --set "datasets.train={theta: $work/s.theta.npy, x: $work/s.npy}"
has err "simulate/train: reused (same inputs)"
exits 0 "other content" "$NEREID" simulate small.yaml -n 4000 --seed 8 -o s.npy
exits 0 "noticed" "$NEREID" run small.yaml -o npy --resume "${files%% *}" "${files#* }" "$test" \
    --set "datasets.train={theta: $work/s.theta.npy, x: $work/s.npy}"
has err "simulate/train: runs (file.theta changed)"
head -c 20000 s.h5 >cut.h5
exits 5 "a truncated file" "$NEREID" run small.yaml -o cut --set "datasets.train={file: $work/cut.h5}"
has err "cut.h5"
exits 5 "rows of another width" "$NEREID" run small.yaml -o wide \
    --set "datasets.train={theta: $work/s.theta.npy, x: $work/a.npy}"
exits 5 "theta outside the prior" "$NEREID" run small.yaml -o outside \
    --set "datasets.train={theta: $work/s.theta.npy, x: $work/s.npy}" \
    --set 'parameters={theta_1: {prior: {uniform: [-0.5, 0.5]}}}'
has err "s.theta.npy: row "
has err "lies outside its prior"
exits 3 "fewer test pairs than coverage takes" "$NEREID" run small.yaml -o few "$test" \
    --set diagnose.coverage.repeats=5
finish
