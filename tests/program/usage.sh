#!/bin/sh
# The command line as people mistype it, and configs with mistakes.
. "$(dirname "$0")/lib.sh"

exits 2 "no verb" "$NEREID"
has err "nereid run"
has err "no verb given"
exits 0 "help" "$NEREID" --help
for verb in run simulate infer evaluate export check plugins new init explain; do
    exits 0 "help of $verb" "$NEREID" $verb --help
    has out "nereid $verb"
done
exits 0 "version" "$NEREID" --version
grep -qx 'nereid [0-9.]*' out
ok $? "the version is a number"

exits 2 "a verb of a later version" "$NEREID" submit run
has err "unknown verb 'submit'; there are run, simulate, infer, evaluate, export, check, status, table, report, plugins, new, init, explain"
exits 2 "a misspelt verb" "$NEREID" simulte
has err "did you mean: nereid simulate"
exits 2 "a misspelt option" "$NEREID" run small.yaml --sede=3
has err "unknown option '--sede'; did you mean: --seed=3"
exits 2 "an abbreviation" "$NEREID" run small.yaml --thr 3
exits 2 "an option of another verb" "$NEREID" run small.yaml --observation x.csv
has err "option '--observation' does not go with 'nereid run'"
exits 2 "a missing value" "$NEREID" run small.yaml --out
has err "--out needs a value: --out PATH"
exits 2 "an option in place of a value" "$NEREID" run small.yaml --out --resume
exits 2 "a switch with a value" "$NEREID" run small.yaml --resume=yes
exits 2 "no number" "$NEREID" run small.yaml -j many
exits 2 "no config" "$NEREID" run
exits 2 "two configs" "$NEREID" run small.yaml small.yaml
exits 2 "a stage that is none" "$NEREID" run small.yaml --until trian
has err "did you mean: --until train"
exits 0 "options before the verb" "$NEREID" -q -o before --until simulate run small.yaml
exits 0 "after --" "$NEREID" run -n -q -- small.yaml
exits 0 "-n before its verb" "$NEREID" -n run small.yaml
exits 0 "-n with a number before its verb" "$NEREID" -q -n 2 -o s.csv simulate gaussian_linear

cat >wrong.yaml <<'EOF'
schema: nereid/1
simulator: {plugin: gaussian_linear}
train:
  optimizer: {name: adamw, lr: 1.0e-4, wieght_decay: 0.1}
  epochs: many
EOF
cat >wanted <<'EOF'
wrong.yaml:4:40: error: unknown key 'wieght_decay' in train.optimizer
 4 |   optimizer: {name: adamw, lr: 1.0e-4, wieght_decay: 0.1}
   |                                        ^^^^^^^^^^^^
  did you mean 'weight_decay'?  (known: name, lr, beta1, beta2, eps, weight_decay)
wrong.yaml:5:11: error: train.epochs = many, expected an integer in 1..1000000
 5 |   epochs: many
   |           ^^^^
EOF
for verb in run check; do
    exits 3 "a wrong config, $verb" "$NEREID" $verb wrong.yaml
    cmp -s err wanted
    good=$?
    ok $good "all its mistakes, with places"
    [ $good -eq 0 ] || diff wanted err | sed 's/^/# /'
done
[ ! -e runs ]
ok $? "a wrong config leaves no folder"
exits 3 "a wrong --set" "$NEREID" run small.yaml --set train.epoch=3
has err "did you mean"
has err "train.epochs"
exits 3 "no such config" "$NEREID" run nowhere.yaml
has err "nowhere.yaml"
exits 3 "too few test pairs" "$NEREID" run small.yaml --set diagnose.coverage.repeats=3
exits 3 "no such parameter" "$NEREID" run small.yaml --set infer.target=theta_9
has err "theta_9"
exits 3 "no exact ratio of a part" "$NEREID" run small.yaml --set estimator=exact \
    --set infer.target=theta_1
has err "estimator: exact"

exits 5 "an observation of the wrong length" "$NEREID" run "$SOURCE/configs/smoke.yaml" -o o \
    --set "infer.observation={file: $work/long.csv}"
printf '0.1,0.2\n0.1,0.2,0.3\n' >long.csv
exits 5 "rows of different length" "$NEREID" check small.yaml \
    --set "infer.observation={file: $work/long.csv}"
has err "long.csv"
has err ":2"
printf '0.1,0.2,0.3\n' >long.csv
exits 5 "an observation of the wrong length" "$NEREID" check small.yaml \
    --set "infer.observation={file: $work/long.csv}"
has err "long.csv"
has err "row "
exits 5 "the same in a run, before anything is simulated" "$NEREID" run small.yaml -o o \
    --set "infer.observation={file: $work/long.csv}" --force
[ ! -e o/data ]
ok $? "nothing was simulated"
finish
