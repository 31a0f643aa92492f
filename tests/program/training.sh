#!/bin/sh
# The keys of training that change how a network is trained, and what becomes of bad ones.
. "$(dirname "$0")/lib.sh"

exits 0 "parts and an average" "$NEREID" -q run small.yaml -o parts -j 2 --until train \
    --set train.accumulate=4 --set train.average=0.99
there parts/model/all/member-0/weights.h5
exits 3 "more parts than rows" "$NEREID" check small.yaml --set train.accumulate=257
has err "train.accumulate = 257 is more than train.batch_size = 256"
exits 3 "parts with batch norm" "$NEREID" run small.yaml -o never \
    --set train.accumulate=4 --set architecture.params.batch_norm=true
has err "train.accumulate = 4 does not go together with architecture: batch norm"
[ ! -e never ]
ok $? "nothing was simulated"

# Two networks joined in both ways; nothing is trained twice.
set -- --set train.ensemble=2 --set 'infer.observation={simulate: {n: 3, seed: 3}}' \
    --set infer.nuisance=shared
exits 0 "mean of log ratios" "$NEREID" -q run small.yaml -o joined -j 1 "$@"
cp -r joined mixed
exits 0 "mixture of posteriors" "$NEREID" run small.yaml -o mixed -j 2 --resume "$@" \
    --set infer.ensemble=mixture
has err "train/all: reused (same inputs)"
has err "infer/all: runs (infer.ensemble changed: mean -> mixture)"
has mixed/diagnostics/area.json "has area 1 by construction"
exits 0 "mixture, one thread" "$NEREID" -q run small.yaml -o again -j 1 "$@" \
    --set infer.ensemble=mixture
same mixed again "mixtures with -j 1 and -j 2"
cmp -s joined/posterior/all/samples.nc mixed/posterior/all/samples.nc
[ $? -eq 1 ]
ok $? "the two are not the same posterior"

exits 6 "an absurd learning rate" "$NEREID" run small.yaml -o diverged \
    --set train.optimizer.lr=10 --set train.optimizer.weight_decay=1 \
    --set train.schedule.warmup=20 --set train.epochs=50 --set train.patience=0 \
    --set train.checkpoint_every=50
has err "is not finite in epoch"
has err "try a lower train.optimizer.lr"
has err "checkpoint.h5 keeps epoch"
there diverged/FAILED
there diverged/model/all/member-0/checkpoint.h5
[ ! -e diverged/model/all/member-0/weights.h5 ]
ok $? "no weights pass for trained ones"
[ "$(wc -l <diverged/metrics.jsonl)" -ge 2 ]
ok $? "metrics.jsonl has the epochs before"
finish
