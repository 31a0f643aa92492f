#!/bin/sh
# gd1_stream as users meet it.  CACHE is the cache folder of this build: the table of tracks,
# which takes minutes, is made once.
. "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME="$CACHE"

exits 0 "table and simulations" "$NEREID" simulate gd1_stream -n 300 -o one.npy -j 1
exits 0 "again, two threads" "$NEREID" simulate gd1_stream -n 300 -o two.npy -j 2
cmp -s one.npy two.npy && cmp -s one.theta.npy two.theta.npy
ok $? "the same bits for any number of threads"

exits 2 "no dark matter at all" "$NEREID" simulate gd1_stream --at m_wdm=0 -n 1 -o bad.npy
has err "m_wdm = 0 lies outside its prior uniform(1, 50)"
exits 2 "a negative age" "$NEREID" simulate gd1_stream --at t_age=-3 -n 1 -o bad.npy
has err "t_age = -3 lies outside its prior uniform(3, 7)"

# config NAME TEXT: a small analysis whose simulator, priors and observation are given.
config() {
    cat >"$1.yaml" <<END
schema: nereid/1
name: $1
seed: 1
$2
datasets: {train: {n: 600}, validation: {n: 200}, test: {n: 500}}
architecture: {plugin: mlp, params: {layers: [32]}}
train: {loss: {name: nre_a}, optimizer: {name: adamw, lr: 3.0e-3}, batch_size: 100, epochs: 3}
infer: {target: [m_wdm], observation: {file: ${3:-gd1-density.csv}}, sampler: {plugin: grid}}
diagnose: {coverage: {levels: [0.68], regions: [credible], observables: 250, repeats: 2}}
END
}

config measured 'simulator: {plugin: gd1_stream, params: {normalisation: contrast, propagation: exact}}'
exits 0 "the measured density" "$NEREID" -q run measured.yaml -o measured
has measured/tables/posterior.md "m_wdm"
has measured/tables/posterior.md "log_m_half_mode"

config old 'simulator: {plugin: gd1_stream}
parameters: {t_age: {prior: {uniform: [3, 9]}}}'
exits 4 "an age beyond the tables" "$NEREID" -q run old.yaml -o old
has err "lies outside of the tables' ages, 3 to 7 Gyr: change \`ages\` of the simulator"
config negative 'simulator: {plugin: gd1_stream}
parameters: {m_wdm: {prior: {uniform: [-5, 50]}}}'
exits 4 "negative masses" "$NEREID" -q run negative.yaml -o negative
has err "must be above 0"
config ages 'simulator: {plugin: gd1_stream, params: {ages: [7, 3]}}'
exits 4 "ages the wrong way round" "$NEREID" -q run ages.yaml -o ages
has err "give the least and the largest age"

printf 'phi1_deg,linear_density\n-30,1\n' >columns.csv
config columns 'simulator: {plugin: gd1_stream}' columns.csv
exits 5 "an observation without errors" "$NEREID" -q run columns.yaml -o columns
has err "columns.csv:1: no column 'error'"
config noise 'simulator: {plugin: gd1_stream, params: {observed: columns.csv}}'
exits 4 "noise from a file without errors" "$NEREID" -q run noise.yaml -o noise
has err "columns.csv:1: no column 'error'"
finish
