#!/bin/sh
# Plugins that fail, crash or write what they must not: exit 4, and a sentence that says who, in
# which function, at which rows.
. "$(dirname "$0")/lib.sh"

run() {
    plugin=$1
    shift
    "$NEREID" -q run small.yaml -o "$plugin" --plugin-path "$PLUGINS" \
        --set "simulator={plugin: $plugin}" "$@"
}

exits 4 "fails in the middle" run fails_midway
has err "simulate/train: row "
has err "simulator 'fails_midway': simulate(): no convergence at mu = 0.9"
there fails_midway/FAILED
has fails_midway/FAILED "exit 4"
exits 4 "NaN" run nan_output
has err "simulator 'nan_output': simulate(): x[1] is not a number"
exits 4 "writes past its rows" run writes_past
has err "simulator 'writes_past': simulate(): wrote past the end"
exits 4 "crashes" run crash_simulate
has err "simulator 'crash_simulate' crashed in simulate(), row"
has err "what was finished before is kept"
exits 4 "crashes in create" run crash_create
has err "simulator 'crash_create' crashed in create()"
exits 4 "another interface" run wrong_abi
has err "rebuild it with this version's header"
exits 4 "no plugin" run no_symbol
has err "does not export nre_plugin_v1"
exits 4 "another name" run wrong_name
has err "calls itself 'another_name'"
exits 4 "no such plugin" run god
has err "there is no simulator 'god'; did you mean 'good'?"
exits 4 "check finds it too" "$NEREID" check small.yaml --plugin-path "$PLUGINS" \
    --set 'simulator={plugin: nan_output}'
exits 4 "no such folder" "$NEREID" check small.yaml --plugin-path nowhere

# Nothing finished is lost: the third dataset crashes, the others stay.
exits 0 "a good one" run good --until simulate
there good/data/test/manifest.json

for policy in redraw_theta redraw_x; do
    exits 6 "too many invalid rows, $policy" run sometimes_invalid --force \
        --set simulator.on_invalid=$policy
    has err "more than simulator.max_fraction = 1%"
    exits 0 "half may be invalid, $policy" run sometimes_invalid --resume \
        --set simulator.on_invalid=$policy --set simulator.max_fraction=0.5
    has err "simulations were invalid"
done
exits 6 "no invalid row is allowed" run sometimes_invalid --force \
    --set simulator.on_invalid=error --set simulator.max_fraction=0.5
has err "simulator.on_invalid is error"
finish
