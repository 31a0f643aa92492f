#!/bin/sh
# Many observations sampled together, and draws that are too few to be trusted.
. "$(dirname "$0")/lib.sh"

sampler() {
    echo "infer.sampler={plugin: metropolis, $1}"
}

exits 0 "a trained run" "$NEREID" -q run small.yaml -o run --until train
for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
    echo "0.$i,-0.$((11 - i))"
done >rows.csv
head -n 1 rows.csv >first.csv

exits 0 "twelve rows" "$NEREID" -q infer run --observation rows.csv --each -o twelve -j 2
exits 0 "by one thread" "$NEREID" -q infer run --observation rows.csv --each -o one -j 1
for d in twelve one; do mkdir -p $d/data $d/model; done
same twelve one "any number of threads"
exits 0 "the first alone" "$NEREID" -q infer run --observation first.csv -o first
mean="['observations'][0]['parameters'][0]['mean']"
together=$(value twelve/posterior/all/summary.json "$mean")
alone=$(value first/posterior/all/summary.json "$mean")
python3 -c "import sys; sys.exit(not abs($together - $alone) < 1e-6)"
ok $? "together as alone: $together, $alone"
python3 - <<'END'
import json, sys
rows = json.load(open("twelve/posterior/all/summary.json"))["observations"]
good = [r["observation"] for r in rows] == [str(i) for i in range(12)]
means = {r["parameters"][0]["mean"] for r in rows}
sys.exit(not (good and len(means) == 12 and all(r["evaluations"] == 8 * 700 for r in rows)))
END
ok $? "each row has its own"
there twelve/posterior/all/11/samples.nc
exits 0 "one after another" "$NEREID" -q infer run --observation rows.csv --each --sampler grid -o grid
[ "$(value grid/posterior/all/summary.json "['observations'].__len__()")" -eq 12 ]
ok $? "twelve grids"

# The gate.
exits 7 "too few draws" "$NEREID" -q run small.yaml -o few \
    --set "$(sampler 'chains: 4, warmup: 20, draws: 50')"
has err "gate missed: the draws of 'metropolis' for target all are not to be trusted"
sed -n 2p out | grep -q "gate missed"
ok $? "named first"
grep -q "below 400; raise" few/report.html
ok $? "on the page, with advice"
there few/DONE
[ "$(value few/posterior/all/summary.json "['observations'][0]['gate']['missed'].__len__()")" -ge 2 ]
ok $? "in summary.json"
exits 0 "not gated" "$NEREID" -q run small.yaml -o free \
    --set "$(sampler 'chains: 4, warmup: 20, draws: 50, gate: {missed: none}')"
has out "are not to be trusted"
hasnt out "gate missed"
exits 0 "a gate for fewer" "$NEREID" -q run small.yaml -o wide \
    --set "$(sampler 'chains: 4, warmup: 100, draws: 200, gate: {r_hat: 1.5, ess: 20}')"
exits 7 "two draws" "$NEREID" -q run small.yaml -o two --set "$(sampler 'chains: 4, warmup: 20, draws: 2')"
has err "is not known"
[ "$(value two/posterior/all/summary.json "['observations'][0]['r_hat_max']")" = None ]
ok $? "R-hat is null"
exits 7 "of rows" "$NEREID" -q infer few --observation rows.csv --each -o few-rows
has err "(12 of 12 observations, first of them observation 0)"
exits 7 "finished all the same" "$NEREID" -q run small.yaml -o few --resume \
    --set "$(sampler 'chains: 4, warmup: 20, draws: 50')"
exits 3 "an R-hat below 1" "$NEREID" -q run small.yaml -o bad --set infer.sampler.gate.r_hat=0.9
exits 3 "no such choice" "$NEREID" -q run small.yaml -o bad --set infer.sampler.gate.missed=maybe
has err "expected one of none, error"
finish
