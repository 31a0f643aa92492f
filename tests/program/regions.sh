#!/bin/sh
# Regions of an observation, Neyman sets and biased regions: the numbers, where they are written, and
# which cannot be had.
. "$(dirname "$0")/lib.sh"

# theta ~ N(0, 0.1), x ~ N(theta, 0.1) in each of two dimensions.
cat >regions.yaml <<'YAML'
schema: nereid/1
simulator: {plugin: gaussian_linear, params: {dim: 2}}
estimator: exact
datasets: {calibration: {n: 1500}, test: {n: 600}}
infer:
  observation: {file: x.csv}
  sampler: {plugin: metropolis, chains: 4, warmup: 100, draws: 100, gate: {missed: none}}
  regions: {levels: [0.68, 0.95], kinds: [credible, confidence, neyman, profile]}
diagnose:
  coverage: {levels: [0.68, 0.95], regions: [credible, confidence, neyman, biased], bias: [0.1, 0.03],
             observables: 300, repeats: 2}
  area: false
  predictive: false
YAML
printf '0.2,-0.1\n' >x.csv
exits 0 "regions" "$NEREID" run regions.yaml -o run
has out "Neyman set 68%"
has run/tables/posterior.md "| 95% profile interval"
has run/tables/regions.csv "threshold,share_of_prior,parameter,low,high"
has run/tables/coverage.md "68% Neyman"
has run/tables/coverage.md "68% biased credible region (+0.1)"
has run/tables/coverage.tex "Neyman set"
has run/tables/coverage.csv ",neyman,"
has run/tables/coverage.json '"bias": 0.1'
has run/tables/coverage_by_parameter.csv "all,exact,neyman,"
has run/report.html "95% profile interval"
there run/model/all/neyman.json
python3 - <<'EOF2'
import json, math, sys

s = json.load(open("run/posterior/all/summary.json"))["observations"][0]["regions"]
z = {0.68: 0.99446, 0.95: 1.95996}
r2 = {0.68: 2.27887, 0.95: 5.99146}
x, noise, wide = [0.2, -0.1], math.sqrt(0.1), math.sqrt(0.05)
failed = 0


def near(got, wanted, error, what):
    global failed
    if abs(got - wanted) > error:
        print(f"# {what}: {got} instead of {wanted}")
        failed += 1


for r in s:
    level = r["level"]
    for k, p in enumerate(r["parameters"]):
        if len(p["intervals"]) != 1:
            failed += 1
            continue
        (low, high), what = p["intervals"][0], (r["kind"], level, k)
        radius = {"credible": wide * math.sqrt(r2[level]), "profile": noise * z[level],
                  "confidence": noise * math.sqrt(r2[level]),
                  "neyman": noise * math.sqrt(r2[level])}[r["kind"]]
        centre = x[k] / 2 if r["kind"] == "credible" else x[k]
        error = {"profile": 2e-3, "confidence": 2e-3, "credible": 0.1 * radius,
                 "neyman": 0.2 * radius}[r["kind"]]
        near(low, centre - radius, error, what)
        near(high, centre + radius, error, what)
        if r["kind"] == "credible":
            (low, high), = p["hdi"]
            near(low, centre - wide * z[level], 2e-3, what)
            near(high, centre + wide * z[level], 2e-3, what)
cells = json.load(open("run/tables/coverage.json"))["rows"][0]["cells"]
for c in cells:
    level = c["level"] + c.get("bias", 0)
    error = math.sqrt(level * (1 - level) * (1 / 600 + (1 / 1500 if c["region"] == "neyman" else 0)))
    near(c["coverage"], level, 4.5 * error, (c["region"], c["level"]))
print("%d" % failed, file=open("failed", "w"))
EOF2
[ "$(cat failed)" = 0 ]
ok $? "regions and coverages are those of a Gaussian"

# The critical values are kept; levels and simulations that they lack are told at once.
exits 0 "resumed" "$NEREID" run regions.yaml -o run --resume
has err "reused"
exits 0 "same with one thread" "$NEREID" run regions.yaml -o one --threads 1
cmp -s run/model/all/neyman.json one/model/all/neyman.json
ok $? "same critical values with one thread"
cmp -s run/diagnostics/coverage.json one/diagnostics/coverage.json
ok $? "same coverage with one thread"
cmp -s run/tables/regions.csv one/tables/regions.csv
ok $? "same regions with one thread"
exits 3 "no calibration" "$NEREID" check regions.yaml --set 'datasets.calibration.n=100'
has err "needs datasets.calibration.n of at least 200"
exits 3 "a bias too large" "$NEREID" check regions.yaml --set 'diagnose.coverage.bias=[0.05]'
has err "is not below 1"
"$NEREID" run regions.yaml -o run --resume -n --set 'diagnose.coverage.levels=[0.68, 0.9]' >out 2>err
has out "neyman.level.1 changed: 0.94999999999999996 -> 0.90000000000000002"
exits 3 "too many parameters" "$NEREID" check regions.yaml --set simulator.params.dim=17
has err "at most 16 parameters"
exits 0 "explained" "$NEREID" explain infer.regions.kinds
has out "profile"
finish
