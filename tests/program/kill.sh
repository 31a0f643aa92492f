#!/bin/sh
# Killed in each stage, or asked to stop, and resumed: the same bits as without.
. "$(dirname "$0")/lib.sh"

# Every stage takes long enough to be hit.
options="run small.yaml -j 1 --set datasets.test.n=400000 --set datasets.test.shard=20000
    --set datasets.train.n=16000 --set train.epochs=20 --set infer.sampler.draws=12000
    --set diagnose.coverage.observables=1000"

# hit SIGNAL EXIT UNIT COMMAND...: start or resume ./killed, send SIGNAL once COMMAND succeeds.
hit() {
    signal=$1 wanted=$2 unit=$3
    shift 3
    # shellcheck disable=SC2086
    "$NEREID" -q $options -o killed --resume >out 2>err &
    pid=$!
    until_true 60 "$@"
    ok $? "$unit is under way"
    kill -s "$signal" $pid
    wait $pid 2>/dev/null
    got=$?
    [ $got -eq "$wanted" ]
    ok $? "SIG$signal during $unit: exit $wanted (found $got)"
    [ ! -e killed/DONE ] && [ ! -e killed/FAILED ]
    ok $? "neither DONE nor FAILED"
}

epochs_are() {
    [ "$(wc -l <killed/metrics.jsonl)" -ge "$1" ]
}

begun_long_ago() {
    begun killed "$1" && sleep 0.1
}

# shellcheck disable=SC2086
exits 0 "undisturbed" "$NEREID" -q $options -o whole
hit KILL 137 simulate/test test -e killed/data/test/shard-00003.h5
hit KILL 137 train/all epochs_are 3
cp -r killed stopped
hit KILL 137 infer/all begun_long_ago infer/all
hit KILL 137 diagnose/coverage begun_long_ago diagnose/coverage
# shellcheck disable=SC2086
exits 0 "resumed to the end" "$NEREID" $options -o killed --resume
has err "infer/all: reused (same inputs)"
same whole killed "killed in four stages"
cmp -s whole/model/all/member-0/checkpoint.h5 killed/model/all/member-0/checkpoint.h5
ok $? "the checkpoint of the last epoch is the same too"

# A checkpoint that a full disk or a bad cable cut short.
cp -r stopped cut
checkpoint=cut/model/all/member-0/checkpoint.h5
truncate -s "$(($(wc -c <$checkpoint) / 2))" $checkpoint
# shellcheck disable=SC2086
exits 0 "resumed with a truncated checkpoint" "$NEREID" $options -o cut --resume
has err "warning: "
has err "checkpoint.h5"
same whole cut "after a truncated checkpoint"

# Asked to stop: a checkpoint, exit 75.
rm -rf killed
mv stopped killed
hit TERM 75 train/all epochs_are 6
has err "interrupted by SIGTERM"
has err "--resume goes on from here"
hit INT 75 infer/all begun_long_ago infer/all
hit USR1 75 diagnose/coverage begun_long_ago diagnose/coverage
# shellcheck disable=SC2086
exits 0 "resumed to the end" "$NEREID" -q $options -o killed --resume
same whole killed "stopped in three stages"

# shellcheck disable=SC2086
exits 75 "a time limit" "$NEREID" $options -o limited --time-limit 1s --set train.epochs=500
has err "interrupted by SIGALRM"
finish
