#!/bin/sh
# Several observations: maxima with errors for each, nuisances that all rows share, how the error of
# the networks grows, and observations that no simulation is like.
. "$(dirname "$0")/lib.sh"

# Exact: of n rows x ~ N(theta, 0.1) with theta ~ N(0, 0.1) the posterior is N(sum x / (n + 1), 0.1 / (n + 1)).
cat >exact.yaml <<'YAML'
schema: nereid/1
simulator: {plugin: gaussian_linear, params: {dim: 2}}
estimator: exact
datasets: {train: {n: 2000}, test: {n: 1000}}
infer:
  observation: {file: x.csv}
  sampler: {plugin: metropolis, chains: 8, warmup: 300, draws: 1000, gate: {missed: none}}
diagnose: {coverage: false, area: {observables: 200}, predictive: {observables: 200}}
YAML
printf '0.3,-0.2\n0.1,0.4\n-0.5,0.2\n' >x.csv
exits 0 "each row" "$NEREID" -q run exact.yaml -o each
exits 0 "all rows" "$NEREID" -q run exact.yaml -o joint --set infer.nuisance=per_observation
python3 - <<'PY'
import json, sys
x = [[0.3, -0.2], [0.1, 0.4], [-0.5, 0.2]]
def maxima(run):
    for i, o in enumerate(json.load(open(run + "/posterior/all/summary.json"))["observations"]):
        for kind, prior in ("map", 1), ("mle", 0):
            n = len(x) if run == "joint" else 1
            rows = x if run == "joint" else [x[i]]
            for k in range(2):
                at, variance = sum(r[k] for r in rows) / (n + prior), 0.1 / (n + prior)
                yield abs(o[kind]["theta"][k] - at) < 0.02 * variance ** 0.5
                yield abs(o[kind]["covariance"][k][k] / variance - 1) < 1e-6
                yield abs(o["parameters"][k][kind + "_sd"] / variance ** 0.5 - 1) < 1e-6
            yield abs(o[kind]["correlation"][0][1]) < 1e-6 and abs(o[kind]["correlation"][1][1] - 1) < 1e-12
sys.exit(not all(list(maxima("each")) + list(maxima("joint"))))
PY
ok $? "MAP and MLE with their errors, of each and of all, are the exact ones"
has joint/posterior/all/summary.json "the ratio is exact"
head -1 joint/tables/posterior.csv >header
has header ",map,map_sd,mle,mle_sd,"
has joint/tables/posterior.md " ± "

# Rows that share what a target leaves out.
python3 - <<'PY'
text = open("small.yaml").read().replace("  target: all\n", "  target: [[theta_1], all]\n  nuisance: shared\n")
text = text.replace("simulate: {n: 1, seed: 3}", "simulate: {n: 4, seed: 3}").replace(
    "draws: 500}", "draws: 500, gate: {missed: none}}").replace("batch_size: 256", "batch_size: 256\n  ensemble: 3")
text = text.replace("  coverage: {observables: 500, repeats: 2}", "  coverage: false")
open("shared.yaml", "w").write(text)
PY
exits 0 "shared" "$NEREID" -q run shared.yaml -o shared
python3 - <<'PY'
import json, sys
part, whole = (json.load(open(f"shared/posterior/{t}/summary.json")) for t in ("theta_1", "all"))
a, b = (s["observations"][0]["parameters"][0] for s in (part, whole))
same = all(a[k] == b[k] for k in ("mean", "sd", "quantiles", "map", "map_sd", "mle", "ess_bulk"))
sys.exit(not (same and part["estimator"] == "all" and len(part["observations"][0]["parameters"]) == 1))
PY
ok $? "the posterior of a part is the marginal of that of all"
there shared/posterior/theta_1/grid.h5
python3 - <<'PY'
import json, sys
g = json.load(open("shared/posterior/all/summary.json"))["observations"][0]["growth"]
sys.exit(not (g["rows"] == 4 and g["networks"] == 3 and 0 < g["one_row"] < g["all_rows"]
              and 1 < g["times"] <= 4 + 1e-9 and g["shift"] > 0))
PY
ok $? "the error of four rows is known from three networks"
tr -s '\n ' '  ' <out >line
has line "4 rows together (target all): the 3 networks differ by"
exits 3 "without the estimator of all" "$NEREID" run shared.yaml -o no --set 'infer.target=[[theta_1], [theta_2]]'
has err "infer: {target: [[theta_1], [theta_2], all]}"
printf '0.3,-0.2\n0.1,0.4\n' >two.csv
exits 0 "of a run, one target of it" "$NEREID" -q infer shared --observation two.csv --joint --target theta_1 -o two
[ ! -e two/posterior/all ] && [ "$(value two/posterior/theta_1/summary.json "['estimator']")" = all ]
ok $? "by the estimator of all"
[ "$(value two/diagnostics/area.json "['rows'][1]['target']")" = all ]
ok $? "the area of that estimator is computed"
tr -s '\n ' '  ' <two/tables/checks.md >line
has line "the ratio of all parameters, which this posterior is made of"
exits 0 "one network" "$NEREID" -q run shared.yaml -o single --set train.ensemble=1
tr -s '\n ' '  ' <out >line
has line "the error of a single network cannot be known"
[ "$(value single/posterior/all/summary.json "['observations'][0]['growth']['times']")" = None ]
ok $? "null, not a number"

# Observations that no simulation is like.
printf '9,9\n' >far.csv
exits 0 "an observation far out" "$NEREID" -q run exact.yaml -o far --set 'infer.observation={file: far.csv}'
tr -s '\n ' '  ' <out >line
has line "Do not believe the posterior of all parameters"
has line "The observation lies outside the simulator"
hasnt line "may be believed"
case $(value far/tables/posterior.json "['rows'][0]['believe']") in *unlike*) ;; *) false ;; esac
ok $? "in the table"
has far/report.html "lies outside the simulator"
exits 0 "of a trained run" "$NEREID" -q infer shared --observation far.csv --target all -o far-infer
tr -s '\n ' '  ' <out >line
has line "Do not believe the posterior of all parameters"
has line "The observation lies outside the simulator"
exits 7 "gated" "$NEREID" -q run exact.yaml -o gated --set 'infer.observation={file: far.csv}' \
    --set 'diagnose.predictive.gate={outside: error}'
printf '0.3,-0.2\n9,9\n' >mixed.csv
exits 0 "one of two" "$NEREID" -q run exact.yaml -o mixed --set 'infer.observation={file: mixed.csv}'
tr -s '\n ' '  ' <out >line
has line "the farthest is observation 1"
[ "$(value mixed/tables/posterior.json "['rows'][0]['believe']")" = yes ]
ok $? "the other is believed"
printf '0.3,-0.2\n0.1,0.2\n' >two.csv
exits 7 "too few test rows for a gate" "$NEREID" -q run exact.yaml -o few --set 'infer.observation={file: two.csv}' \
    --set 'diagnose.predictive={observables: 40, gate: {outside: error}}'
tr -s '\n ' '  ' <out >line
has line "40 test simulations are too few to tell whether one of 2 observations lies outside"
finish
