#!/bin/sh
# Every sampler on one trained run: they agree, and say so where they do not serve.
. "$(dirname "$0")/lib.sh"

exits 0 "a trained run" "$NEREID" -q run small.yaml -o run --until train
printf '0.4,-0.2\n0.3,0.2\n' >rows.csv

# of RUN KEY: a figure of the first observation.
of() {
    value "$1/posterior/all/summary.json" "['observations'][0]$2"
}

exits 0 "metropolis" "$NEREID" -q infer run --observation rows.csv --each --sampler metropolis -o metropolis
for name in slice tempered importance rejection; do
    exits 0 "$name" "$NEREID" -q infer run --observation rows.csv --each --sampler "$name" -o "$name"
    python3 -c "
import sys
mean, sd, right, wide = $(of "$name" "['parameters'][0]['mean']"), $(of "$name" "['parameters'][0]['sd']"), \
    $(of metropolis "['parameters'][0]['mean']"), $(of metropolis "['parameters'][0]['sd']")
sys.exit(not (abs(mean - right) < 0.1 * wide and abs(sd / wide - 1) < 0.1))"
    ok $? "$name: as metropolis"
done
[ "$(of metropolis "['k_hat']")" = None ]
ok $? "chains have no k-hat"
python3 -c "import sys; sys.exit(not $(of importance "['k_hat']") < 0.7)"
ok $? "weighted draws have one"

# Three chains are no ensemble for two parameters.
exits 4 "an ensemble of three" "$NEREID" -q run small.yaml -o three --until infer \
    --set 'infer.sampler={plugin: ensemble, chains: 3}'
has err "at least 6 for 2 parameters"
has err "raise infer.sampler.chains"
finish
