#!/bin/sh
# The same request gives the same bits: for any number of threads, at once or stage by stage.
. "$(dirname "$0")/lib.sh"

exits 0 "one thread" "$NEREID" -q run small.yaml -o one -j 1
exits 0 "two threads" "$NEREID" -q run small.yaml -o two -j 2
same one two "-j 1 and -j 2"
there one/DONE
for file in config.yaml resolved.yaml origins.json environment.json log.txt metrics.jsonl \
    progress.json model/all/member-0/loss.csv report.html tables/timing.json; do
    there one/$file
done
cmp -s one/config.yaml small.yaml
ok $? "config.yaml is the config as given"

for threads in 1 2; do
    exits 0 "the smoke config, $threads threads" "$NEREID" -q run "$SOURCE/configs/smoke.yaml" \
        -o smoke-$threads -j $threads
done
same smoke-1 smoke-2 "configs/smoke.yaml"

exits 0 "until simulate" "$NEREID" -q run small.yaml -o steps --until simulate
[ ! -e steps/model ] && [ ! -e steps/DONE ]
ok $? "nothing of later stages is there"
for stage in train infer diagnose; do
    exits 0 "until $stage" "$NEREID" -q run small.yaml -o steps --resume --until $stage
done
[ ! -e steps/tables ]
ok $? "no tables before the report"
exits 0 "the rest" "$NEREID" run small.yaml -o steps --resume
has err "diagnose/coverage: reused (same inputs)"
same one steps "stage by stage"

# Two targets, an ensemble, batch norm, several shards: more that threads could disturb.
set -- --set 'infer.target=[[theta_2], all]' --set train.ensemble=2 \
    --set architecture.params.batch_norm=true --set datasets.train.shard=1500 \
    --set 'infer.observation={simulate: {n: 3, seed: 4}}'
exits 0 "a richer run, one thread" "$NEREID" -q run small.yaml -o rich-one -j 1 "$@"
exits 0 "a richer run, three threads" "$NEREID" -q run small.yaml -o rich-three -j 3 "$@"
same rich-one rich-three "-j 1 and -j 3"
there rich-one/model/theta_2/member-1/weights.h5
there rich-one/posterior/all/2/samples.nc

exits 0 "another seed" "$NEREID" -q run small.yaml -o other --seed 2
cmp -s one/model/all/member-0/weights.h5 other/model/all/member-0/weights.h5
[ $? -eq 1 ]
ok $? "another seed gives other weights"
finish
