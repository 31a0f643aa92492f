# infer.calibrate: fitted once, judged on the test set, named, and never without what the networks say.
. "$SOURCE/tests/program/lib.sh"

# Networks that learned 200 simulations by heart.
"$NEREID" -q simulate small.yaml -n 200 --seed 7 -o sims.h5 2>err || cat err
sed -e 's/train: {n: 4000}/train: {file: sims.h5}/' \
    -e 's/validation: {n: 1000}/validation: {file: sims.h5}\n  calibration: {n: 3000}/' \
    -e 's/batch_size: 256/batch_size: 64/' -e 's/epochs: 4/epochs: 200\n  patience: 0/' \
    -e 's/target: all/target: all\n  calibrate: {map: platt}/' small.yaml >sure.yaml
# item RUN PATH: of diagnostics.
item() {
    value "$1/diagnostics/$2.json" "['rows']$3"
}
# less A B WHAT
less() {
    python3 -c "import sys; sys.exit(not $1 < $2)"
    ok $? "$3: $1 < $2"
}

exits 0 "platt" "$NEREID" -q run sure.yaml -o platt
for file in model/all/calibration.json posterior/all/summary.json \
    posterior/all/uncalibrated/summary.json posterior/all/uncalibrated/samples.nc; do
    there platt/$file
done
has out "Posterior of all parameters given observation 0 (mlp, platt, metropolis)"
has out "Posterior of all parameters given observation 0 (mlp, metropolis)"
has out "Coverage for all parameters (mlp, platt)"
has out "Coverage for all parameters (mlp)"
has out "the log ratio of target all is calibrated (platt)"
[ "$(value platt/posterior/all/summary.json "['calibration']['map']")" = platt ]
ok $? "the summary names the calibration"
[ "$(value platt/posterior/all/uncalibrated/summary.json "['calibration']")" = None ]
ok $? "the one beside it has none"
[ "$(value platt/tables/coverage.json "['rows'][0]['simulations']")" = 4400 ]
ok $? "its simulations are counted"
less "$(item platt calibration "[0]['log_loss_change']")" \
    "-2 * $(item platt calibration "[0]['log_loss_change_error']")" "the log loss falls"
less "$(item platt calibration "[0]['after']['calibration_error']")" \
    "$(item platt calibration "[0]['before']['calibration_error']")" "so does the calibration error"
less "$(item platt coverage "[1]['gain']")" "$(item platt coverage "[0]['gain']")" "the gain rises"
less "$(item platt coverage "[1]['cells'][0]['coverage']")" \
    "$(item platt coverage "[0]['cells'][0]['coverage']")" "the coverage rises"

# the uncalibrated results are those of a run without calibration
sed -e 's/calibrate: {map: platt}/nuisance: per_observation/' sure.yaml >plain.yaml
exits 0 "without" "$NEREID" -q run plain.yaml -o plain
cmp -s plain/posterior/all/samples.nc platt/posterior/all/uncalibrated/samples.nc
ok $? "the same draws without calibration"
[ "$(item plain coverage "[0]['gain']")" = "$(item platt coverage "[1]['gain']")" ]
ok $? "the same coverage without calibration"

# other maps; what they need is fitted anew, the networks are not
for map in isotonic histogram; do
    exits 0 "$map" "$NEREID" -q run sure.yaml -o platt --resume --set infer.calibrate.map=$map
    grep -q "train/all: reused" platt/log.txt && grep -q "calibrate/all: runs" platt/log.txt
    ok $? "$map: networks reused, the map fitted anew"
    [ "$(item platt calibration "[0]['map']")" = $map ]
    ok $? "$map: judged"
done
exits 0 "per theta" "$NEREID" -q run sure.yaml -o platt --resume --set infer.calibrate.per=theta
has out "(mlp, platt per theta)"
exits 0 "again" "$NEREID" run sure.yaml -o platt --resume --set infer.calibrate.per=theta --progress none
has err "calibrate/all: reused"

# evaluate and infer on the finished run
python3 "$SOURCE/tests/program/npy.py" write theta.npy f8 2 0.2 -0.1
python3 "$SOURCE/tests/program/npy.py" write x.npy f4 2 0.15 -0.3
for run in plain platt; do
    exits 0 "evaluate $run" "$NEREID" evaluate $run --theta theta.npy --x x.npy -o $run.npy
done
! cmp -s plain.npy platt.npy
ok $? "evaluate says the calibrated log ratio"
has err "calibrated: platt per theta"
printf '0.3,-0.2\n' >observed.csv
exits 0 "infer" "$NEREID" -q infer platt --observation observed.csv -o day
has out "(mlp, platt per theta, metropolis)"
there day/posterior/all/uncalibrated/summary.json

# side by side with other runs
exits 0 "table" "$NEREID" table platt plain
has out "platt (mlp, platt per theta)"

# a damaged map
echo '{"map": "platt"}' >platt/model/all/calibration.json
exits 5 "damaged" "$NEREID" infer platt --observation observed.csv -o other
has err "calibration.json"
has err "nereid run with --resume fits it anew"
exits 0 "mended" "$NEREID" -q run sure.yaml -o platt --resume --set infer.calibrate.per=theta
exits 0 "and used" "$NEREID" -q infer platt --observation observed.csv -o other --force

# what makes no sense
refused() {
    exits 3 "$1" "$NEREID" check sure.yaml --set "$2" --set "$3"
    has err "infer.calibrate"
    has err "$4"
}
refused "no gradient" infer.calibrate.map=isotonic infer.sampler.plugin=hmc "infer.sampler.plugin = hmc"
refused "no gradient" infer.calibrate.map=histogram infer.sampler.plugin=nuts "infer.sampler.plugin = nuts"
refused "nre_b" train.loss.name=nre_b infer.ensemble=mean "train.loss.name = nre_b"
refused "mixture" train.ensemble=2 infer.ensemble=mixture "infer.ensemble = mixture"
refused "few" datasets.calibration.n=99 infer.ensemble=mean "datasets.calibration.n of at least 100"
grep -v calibration sure.yaml >none.yaml
exits 3 "no set" "$NEREID" check none.yaml
has err "give datasets.calibration"
finish
