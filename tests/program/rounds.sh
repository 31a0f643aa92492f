#!/bin/sh
# Rounds: a truncated prior, killed and resumed, reused, and right for one observation alone.
. "$(dirname "$0")/lib.sh"

cat >rounds.yaml <<'YAML'
schema: nereid/1
name: rounds
seed: 1
simulator: {plugin: two_moons}
datasets:
  train: {n: 2000}
  validation: {n: 300}
  test: {n: 300}
architecture: {plugin: mlp, params: {layers: [64, 64, 64], activation: gelu}}
train: {optimizer: {name: adamw, lr: 3.0e-3}, batch_size: 128, epochs: 20, ensemble: 2}
rounds: {most: 2, n: 1200, epsilon: 1.0e-3}
infer:
  target: all
  observation: {simulate: {n: 1, seed: 3}}
  sampler: {plugin: metropolis, chains: 8, warmup: 200, draws: 300, gate: {missed: none}}
diagnose:
  coverage: {observables: 100, repeats: 2}
  area: {observables: 50}
  predictive: {observables: 50}
report: {html: false}
YAML

# all of a run that must be the same, rounds and all
whole() {
    (cd "$1" && find rounds posterior diagnostics tables -type f ! -name 'timing.*' \
        ! -name checkpoint.h5 ! -name stages.json | sort | xargs sha256sum)
}

same_rounds() {
    whole "$1" >whole.a
    whole "$2" >whole.b
    [ -s whole.a ] && cmp -s whole.a whole.b
    good=$?
    ok $good "$3: the same bits"
    [ $good -eq 0 ] || diff whole.a whole.b | sed 's/^/# /'
}

exits 0 "a dry run" "$NEREID" run rounds.yaml -o nothing -n
has out "round 1: simulate/train"
has out "later rounds"
[ ! -e nothing ]
ok $? "nothing is written"

exits 0 "two rounds" "$NEREID" run rounds.yaml -o one -j 1
has err "round 1: its region keeps"
has err "round 2: simulate/train: runs"
has out "valid for this observation only"
there one/rounds/2/region.h5
[ "$(readlink one/data)" = rounds/2/data ] && [ "$(readlink one/model)" = rounds/2/model ]
ok $? "data and model are those of the last round"
[ "$(value one/rounds/2/data/train/manifest.json "['rows']")" = 1200 ]
ok $? "rounds.n simulations"
[ "$(value one/posterior/all/summary.json "['rounds'].__len__()")" = 2 ]
ok $? "two rounds in summary.json"
python3 - <<'PY'
import json, sys
rounds = json.load(open("one/posterior/all/summary.json"))["rounds"]
first, last = rounds[0], rounds[1]
sys.exit(not (first["prior_volume"] == 1 and 0 < last["prior_volume"] < 0.7
              and last["prior_volume"] == first["region_volume"]))
PY
ok $? "the prior of the second is the region of the first"
# 1200 + 300 in each round, and the test set
[ "$(value one/tables/coverage.json "['rows'][0]['simulations']")" = 3300 ]
ok $? "all simulations are counted"
has one/tables/coverage.md "valid for this observation only"
has one/tables/posterior.md "valid for this observation only"

exits 0 "in two threads" "$NEREID" -q run rounds.yaml -o two -j 2
same_rounds one two "threads"

exits 0 "again" "$NEREID" run rounds.yaml -o one --resume
has err "round 2: train/all: reused (same inputs)"
has err "infer/all: reused (same inputs)"
hasnt err ": runs"
same_rounds one two "reused"

# Killed in the second round, and resumed.
"$NEREID" -q run rounds.yaml -o killed -j 2 >out 2>err </dev/null &
pid=$!
until_true 60 begun killed "round 2: train/all"
kill -s KILL $pid
wait $pid 2>/dev/null
[ ! -e killed/DONE ]
ok $? "killed in the second round"
exits 0 "resumed" "$NEREID" run rounds.yaml -o killed --resume
has err "round 1: train/all: reused (same inputs)"
same_rounds one killed "killed and resumed"

# Its own observation is welcome, another is none of this run's business.
printf '0.1,-0.2\n' >mine.csv
printf '0.5,-0.5\n' >other.csv
exits 5 "another observation" "$NEREID" infer one --observation other.csv
has err "was truncated for its own observation"
[ ! -e one/inferences ]
ok $? "nothing is left of what was refused"
exits 0 "rounds for a file" "$NEREID" -q run rounds.yaml -o mine --until infer \
    --set 'infer.observation={file: mine.csv}'
exits 0 "the same file" "$NEREID" -q infer mine --observation mine.csv -o again
cmp -s mine/posterior/all/samples.nc again/posterior/all/samples.nc
ok $? "the same draws"

# Copies: with their links, and with what these lead to in their place.
cp -r mine moved
exits 0 "a copy" "$NEREID" -q infer moved --observation mine.csv
cp -rL mine copied
exits 0 "a copy that followed the links" "$NEREID" -q infer copied --observation mine.csv
cmp -s mine/posterior/all/samples.nc copied/inferences/mine/posterior/all/samples.nc
ok $? "the same draws from a copy"
again_in_copy() {
    exits "$1" "$2" "$NEREID" run rounds.yaml -o copied --resume --until infer \
        --set 'infer.observation={file: mine.csv}'
}
again_in_copy 9 "such a copy resumed"
has err "rm -r 'copied/data'"
rm -r copied/data copied/model
again_in_copy 0 "without what it holds twice"
hasnt err ": runs"
[ "$(readlink copied/model)" = rounds/2/model ]
ok $? "its links are back"

# What comes after the rounds follows them, also where there is no network that tells.
exact() {
    "$NEREID" run rounds.yaml -o exact --resume --until infer --set estimator=exact "$@"
}
exits 0 "exact ratios in rounds" exact
[ "$(readlink exact/model)" = rounds/2/model ]
ok $? "model leads to the last round where there is no network, too"
cp -r exact unfinished
exits 0 "one round of them" exact --set rounds.most=1
has err "infer/all: runs"
[ "$(value exact/posterior/all/summary.json "['valid_for']")" = "any observation" ]
ok $? "valid for any observation"
value exact/posterior/all/summary.json "['rounds'][0]" >first
exits 0 "one round, another epsilon" exact --set rounds.most=1 --set rounds.epsilon=1.0e-2
has err "infer/all: runs (region/1 changed"
value exact/posterior/all/summary.json "['rounds'][0]" >second
[ -s first ] && ! cmp -s first second
ok $? "the summary tells of the new region"

# A change that was not carried through serves nobody.
exits 0 "fewer rounds, only begun" "$NEREID" run rounds.yaml -o unfinished --resume \
    --until simulate --set estimator=exact --set rounds.most=1
exits 5 "networks of rounds that are not finished" \
    "$NEREID" infer unfinished --observation other.csv
has err "its rounds are not finished"

# A finished run without rounds is not spoilt, nor is a link of the user's.
sed '/^rounds:/d' rounds.yaml >whole.yaml
exits 0 "no rounds" "$NEREID" -q run whole.yaml -o plain --set estimator=exact
exits 9 "rounds added to it" "$NEREID" run rounds.yaml -o plain --resume --set estimator=exact
has err "'plain/data' is of a run without rounds"
[ -e plain/DONE ] && [ ! -e plain/FAILED ] && [ ! -e plain/rounds ]
ok $? "it is as it was"
mv plain/data elsewhere
ln -s ../elsewhere plain/data
exits 0 "data on another disk" "$NEREID" run whole.yaml -o plain --resume \
    --set estimator=exact
has err "simulate/test: reused"
[ "$(readlink plain/data)" = ../elsewhere ]
ok $? "the user's link stays"

exits 0 "critical values in rounds" "$NEREID" -q run rounds.yaml -o neyman --until report \
    --set diagnose.coverage=false --set estimator=exact --set 'datasets.calibration={n: 500}' \
    --set 'infer.regions={kinds: [neyman, profile]}'
has neyman/tables/regions.csv "a truncated prior has no grid to profile on"
there neyman/rounds/2/model/all/neyman.json
exits 0 "and resumed" "$NEREID" run rounds.yaml -o neyman --resume --until infer \
    --set diagnose.coverage=false --set estimator=exact --set 'datasets.calibration={n: 500}' \
    --set 'infer.regions={kinds: [neyman, profile]}'
has err "infer/all: reused (same inputs)"

# Damage of the last round's simulations, found by a diagnostic.
whole_exact() {
    exits "$1" "$2" "$NEREID" run rounds.yaml -o exact --resume --set estimator=exact \
        --set rounds.most=1 --set rounds.epsilon=1.0e-2
}
printf 'damage' | dd of=exact/rounds/1/data/train/shard-00000.h5 bs=1 seek=9000 conv=notrunc 2>dd
whole_exact 5 "a damaged set of the last round"
whole_exact 0 "mended"
has err "round 1: simulate/train: runs"

# Rows that were one observation for the rounds are no three.
printf '0.1,-0.2\n0.12,-0.2\n0.1,-0.21\n' >rows.csv
exits 0 "three rows together" "$NEREID" -q run rounds.yaml -o rows --until infer \
    --set estimator=exact --set infer.nuisance=shared \
    --set 'infer.observation={file: rows.csv}'
exits 5 "each by itself" "$NEREID" infer rows --observation rows.csv -o each
has err "add --joint"
exits 0 "together" "$NEREID" -q infer rows --observation rows.csv -o together --joint

# Damage of an earlier round: said, and made good by --resume.
mine() {
    exits "$1" "$2" "$NEREID" run rounds.yaml -o mine --resume --until infer \
        --set 'infer.observation={file: mine.csv}'
}
mended() {
    mine 5 "damaged: $1"
    has err "round 1: "
    mine 0 "mended: $1"
    has err "round 1: $1: runs"
}
truncate -s 3000 mine/rounds/1/region.h5
mended region
truncate -s 3000 mine/rounds/1/model/all/member-1/weights.h5
mended train/all
printf 'damage' | dd of=mine/rounds/1/data/train/shard-00000.h5 bs=1 seek=9000 conv=notrunc 2>dd
rm mine/rounds/2/model/all/member-0/weights.h5
mended simulate/train
mine 0 "nothing is damaged"
hasnt err ": runs"

# One more parameter of the region: the first round's networks stay.
exits 0 "another epsilon" "$NEREID" run rounds.yaml -o one --resume --set rounds.epsilon=1.0e-2
has err "round 1: train/all: reused (same inputs)"
has err "round 1: region: runs (rounds.epsilon changed"
has err "round 2: simulate/train: runs"

exits 3 "online training" "$NEREID" run rounds.yaml -o bad --set train.online={}
has err "train.online draws from the whole prior"
exits 3 "targets that share a parameter" "$NEREID" run rounds.yaml -o bad \
    --set 'infer.target=[all, [theta_1]]'
has err "share a parameter"
exits 3 "several observations" "$NEREID" run rounds.yaml -o bad \
    --set 'infer.observation={simulate: {n: 2}}'
has err "there are 2 rows"
exits 3 "no observation" "$NEREID" run small.yaml -o bad --set 'rounds={}' \
    --set 'datasets.train={file: x.h5}'
finish
