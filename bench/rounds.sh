#!/bin/sh
# What truncation is worth: configs/rounds.yaml for observations of five seeds, five trainings each, with rounds
# and, of as many simulations in total, without; bench/rounds then compares them with exact draws.
#
#   sh bench/rounds.sh BUILD OUT [JOBS]
set -eu
build=$1 out=$2 jobs=${3:-2}
config=$(cd "$(dirname "$0")/.." && pwd)/configs/rounds.yaml
mkdir -p "$out"
plain="$out/plain.yaml"
# rounds cannot be taken out of a config that another extends
sed '/^rounds:/d' "$config" >"$plain"
for observation in 1 2 3 4 5; do
    for training in 1 2 3 4 5; do
        common="--seed $training -j 1 -q --set infer.observation.simulate.seed=$observation
            --set datasets.test.n=1 --set diagnose.coverage=false --set diagnose.area=false
            --set diagnose.predictive=false --set report.html=false"
        for with in with without; do
            echo "$with" "$observation-$training" $common
        done
    done
done | xargs -P "$jobs" -L 1 sh -c '
    build=$1 out=$2 config=$3 plain=$4 with=$5 name=$6
    shift 6
    [ -e "$out/$with-$name/DONE" ] && exit 0
    if [ "$with" = with ]; then
        "$build/nereid" run "$config" -o "$out/with-$name" --resume "$@"
    else
        "$build/nereid" run "$plain" -o "$out/without-$name" --resume "$@" \
            --set datasets.train.n=9000 --set datasets.validation.n=999
    fi >"$out/$with-$name.log" 2>&1 || echo "$with-$name failed"' \
    sh "$build" "$out" "$config" "$plain"
set --
for observation in 1 2 3 4 5; do
    for training in 1 2 3 4 5; do
        set -- "$@" "$out/with-$observation-$training" "$out/without-$observation-$training"
    done
done
NEREID_PLUGIN_PATH="$(cd "$build" && pwd)/plugins" "$build/bench/rounds" "$@"
