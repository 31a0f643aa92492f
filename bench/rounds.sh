#!/bin/sh
# What truncation is worth: configs/rounds.yaml for observations of five seeds, five trainings each, with rounds
# and, of as many simulations in total, without; bench/rounds then compares them with exact draws.  Every pair has
# a training seed of its own: networks without rounds do not know the observation, so that pairs of one seed
# would share them and not be independent.
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
        common="--seed $observation$training -j 1 -q --set infer.observation.simulate.seed=$observation
            --set diagnose.area=false --set diagnose.predictive=false --set report.html=false"
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
            --set datasets.train.n=9000 --set datasets.validation.n=999 \
            --set datasets.test.n=1 --set diagnose.coverage=false
    fi >"$out/$with-$name.log" 2>&1 || echo "$with-$name failed"' \
    sh "$build" "$out" "$config" "$plain"
set --
for observation in 1 2 3 4 5; do
    for training in 1 2 3 4 5; do
        set -- "$@" "$out/with-$observation-$training" "$out/without-$observation-$training"
    done
done
NEREID_PLUGIN_PATH="$(cd "$build" && pwd)/plugins" "$build/bench/rounds" "$@"
# Coverage under each truncated prior; "under" counts the networks whose regions hold too few truths.
for observation in 1 2 3 4 5; do
    for training in 1 2 3 4 5; do
        cat "$out/with-$observation-$training/tables/coverage.csv"
    done
done | awk -F, '$3 == "credible" {
    n[$4]++; sum[$4] += $5; under[$4] += $11 == "under"
    if (n[$4] == 1 || $5 < low[$4]) low[$4] = $5
    if (n[$4] == 1 || $5 > high[$4]) high[$4] = $5
}
END {
    for (level in n)
        printf "coverage of %.3f: mean %.4f, %.4f to %.4f, under in %d of %d\n", \
            level, sum[level] / n[level], low[level], high[level], under[level], n[level]
}' | sort
