#!/bin/sh
# check, plugins, new, init, explain.
. "$(dirname "$0")/lib.sh"

exits 0 "check" "$NEREID" check small.yaml
has out "gaussian_linear: 2 parameters, 2 values"
has out "small.yaml is fine"
[ "$(find . -newer small.yaml -type f ! -name out ! -name err | wc -l)" -eq 0 ]
ok $? "it writes nothing"
exits 0 "check as JSON" "$NEREID" check small.yaml --json
[ "$(value out "['simulator']['parameters']")" = 2 ]
ok $? "as JSON"
exits 0 "check the quickstart" "$NEREID" check "$SOURCE/configs/quickstart.yaml"
has out "observation      1 row of 28 values"

exits 0 "plugins" "$NEREID" plugins
for name in boarding_school gaussian_linear mlp grid metropolis; do
    has out "  $name "
done
exits 0 "of a kind" "$NEREID" plugins samplers
hasnt out mlp
exits 0 "of a folder" "$NEREID" plugins simulator --plugin-path "$PLUGINS"
has out "  good "
exits 0 "one of them" "$NEREID" plugins simulator boarding_school
has out "log_uniform(0.5, 10)"
has out "population"
has out "R0"
exits 0 "by its name alone" "$NEREID" plugins mlp
has out "layers"
exits 0 "as JSON" "$NEREID" plugins gaussian_linear --json
[ "$(value out "['parameters'][0]['name']")" = theta_1 ]
ok $? "its parameters"
exits 0 "all as JSON" "$NEREID" plugins --json
python3 -c "import json; all = json.load(open('out')); assert len(all) >= 5"
ok $? "a list"
exits 4 "no such plugin" "$NEREID" plugins simulator boarding_schol
has err "did you mean 'boarding_school'"
exits 4 "neither kind nor plugin" "$NEREID" plugins simulatorz
exits 2 "no such kind" "$NEREID" plugins simulatorz mlp
exits 2 "check of nothing" "$NEREID" plugins check

exits 0 "new" "$NEREID" new simulator mine
has out "meson setup mine/build mine"
has mine/mine.c "nre_plugin_v1"
there mine/meson.build
exits 9 "new again" "$NEREID" new simulator mine
exits 2 "no such kind" "$NEREID" new thing mine
exits 2 "no such name" "$NEREID" new simulator Mine-1
exits 2 "no name" "$NEREID" new simulator
if cc -shared -fPIC -I"$SOURCE/core/include" -o mine/mine.so mine/mine.c -lm 2>cc.err; then
    exits 0 "a new simulator runs" "$NEREID" -q run small.yaml -o mine-run --plugin-path mine \
        --set 'simulator={plugin: mine}' --set architecture.params.layers='[16]' \
        --set train.epochs=1
else
    ok 1 "a new simulator compiles"
fi

exits 0 "init" "$NEREID" init mine.yaml
has out "nereid check mine.yaml"
exits 9 "init again" "$NEREID" init mine.yaml
exits 0 "init to the screen" "$NEREID" init
cmp -s out mine.yaml
ok $? "the same text"
sed 's/^\( *plugin: *\)boarding_school/\1gaussian_linear/' mine.yaml >set.yaml
exits 0 "a starter file with a simulator" "$NEREID" check mine.yaml
exits 2 "two files" "$NEREID" init a b

exits 0 "explain a key" "$NEREID" explain train.optimizer.lr
has out "Learning rate"
has out "0.001"
exits 0 "its value" "$NEREID" explain train.epochs -c small.yaml
has out "value            4"
has out "small.yaml:15:"
exits 0 "its value by --set" "$NEREID" explain train.epochs -c small.yaml --set train.epochs=9
has out "value            9"
has out "--set"
exits 0 "a default" "$NEREID" explain train.clip -c small.yaml
has out "default"
exits 2 "a misspelt key" "$NEREID" explain train.epoch
has err "train.epochs"
for code in 0 1 2 3 4 5 6 7 8 9 10 75; do
    exits 0 "explain $code" "$NEREID" explain $code
done
exits 2 "no such code" "$NEREID" explain 11
exits 0 "as JSON" "$NEREID" explain 7 --json
[ "$(value out "['exit']")" = 7 ]
ok $? "as JSON"
exits 0 "a run" "$NEREID" -q run small.yaml -o run --until train
exits 0 "explain a run" "$NEREID" explain run
has out "train/all                done     same inputs"
has out "infer/all                to do    never ran"
rm run/model/all/member-0/weights.h5
exits 0 "explain a run with a loss" "$NEREID" explain run
has out "train/all                lost     run/model/all/member-0/weights.h5"
exits 5 "no run" "$NEREID" explain ./mine
finish
