#!/bin/sh
# Simulations that are drawn while a network trains on them: no training set on disk, the same
# bits always, better networks than a stored set of the same size gives.
. "$(dirname "$0")/lib.sh"

set -- --set 'train.online={reuse: 2}' --set train.epochs=6
exits 0 "what would run" "$NEREID" run small.yaml -o one -n "$@"
hasnt out simulate/train
has out train/all
exits 0 "one thread" "$NEREID" -q run small.yaml -o one -j 1 "$@"
exits 0 "two threads" "$NEREID" -q run small.yaml -o two -j 2 "$@"
same one two "-j 1 and -j 2"
[ ! -e one/data/train ] && [ -e one/data/validation ]
ok $? "no training set on disk, a validation set"
there one/DONE
there one/model/all/validity.h5
# 4000 + 5 x 2000 while training, 1000 of validation, 1000 of test
[ "$(value one/tables/coverage.json "['rows'][0]['simulations']")" = 16000 ]
ok $? "the tables count the simulations drawn while training"
exits 0 "nothing to do" "$NEREID" run small.yaml -o one --resume "$@"
has err "train/all: reused (same inputs)"
exits 0 "status" "$NEREID" status one

# Stopped in the middle, gone on with another number of threads.
"$NEREID" -q run small.yaml -o parts -j 1 "$@" --set train.epochs=6 >out 2>err </dev/null &
pid=$!
until_true 20 grep -qs '"epoch": *2' parts/metrics.jsonl
kill -KILL $pid 2>/dev/null
wait $pid 2>/dev/null
exits 0 "after SIGKILL" "$NEREID" -q run small.yaml -o parts -j 2 --resume "$@"
same one parts "killed and resumed"

# Two networks learn from simulations of their own.
exits 0 "an ensemble" "$NEREID" -q run small.yaml -o both "$@" --set train.ensemble=2
cmp -s one/model/all/member-0/weights.h5 both/model/all/member-0/weights.h5
ok $? "the first is the one alone"
[ "$(value both/tables/coverage.json "['rows'][0]['simulations']")" = 30000 ]
ok $? "the tables count those of both"

# At equal epochs, new simulations teach more than stored ones; seeds are fixed.
for kind in stored online; do
    [ $kind = online ] && set -- --set 'train.online={reuse: 1}' || set --
    exits 0 "$kind" "$NEREID" -q run small.yaml -o $kind --until train "$@" \
        --set datasets.train.n=1000 --set train.batch_size=50 --set train.epochs=40 \
        --set train.patience=0 --set train.schedule.name=cosine \
        --set 'architecture.params.layers=[64,64]' --set datasets.validation.n=10000
    tail -n +2 $kind/model/all/member-0/loss.csv | cut -d, -f3 | sort -g | head -n 1 >$kind.best
done
echo "# best validation loss: stored $(cat stored.best), online $(cat online.best)"
python3 -c "import sys; sys.exit(not float(open('online.best').read()) + 0.003 < float(open('stored.best').read()))"
ok $? "online training has the lower validation loss"

exits 3 "a file and online" "$NEREID" check small.yaml --set 'train.online={reuse: 1}' \
    --set 'datasets.train={theta: small.yaml, x: small.yaml}'
has err "train.online draws its simulations itself"

# Invalid simulations: a share that the config allows; P(valid | theta) is of the first set.
set -- --plugin-path "$PLUGINS" --set simulator.plugin=sometimes_invalid \
    --set 'simulator.params={}' --set 'train.online={reuse: 1}' --set train.epochs=2 \
    --set simulator.max_fraction=0.3
exits 0 "invalid simulations" "$NEREID" run small.yaml -o invalid "$@"
has err "train-online: "
has err "simulations were invalid"
[ "$(wc -c <invalid/model/all/validity.h5)" -gt 20000 ]
ok $? "their thetas are kept"
finish
