#!/bin/sh
# One-sided limits: the numbers, where they are written, and which cannot be had.
. "$(dirname "$0")/lib.sh"

cat >limits.yaml <<'YAML'
schema: nereid/1
simulator: {plugin: gaussian_linear, params: {dim: 2}}
parameters:
  theta_1: {prior: {uniform: [0.5, 3]}}
  theta_2: {prior: {uniform: [0, 2]}}
estimator: exact
datasets: {train: {n: 2000}, test: {n: 500}}
infer:
  observation: {file: x.csv}
  sampler: {plugin: metropolis, chains: 4, warmup: 200, draws: 250, gate: {missed: none}}
  limits:
    - {parameter: theta_1, side: lower, priors: [own, inverse, log], against: 3}
    - {parameter: theta_2, side: upper, level: 0.9, priors: [uniform]}
diagnose: {coverage: false, area: false, predictive: false}
YAML
printf '1.75,1.9\n' >x.csv
exits 0 "limits" "$NEREID" run limits.yaml -o run
has out "Limit at 95%: theta_1 >"
has out "none (highest density) under a prior flat in"
has run/tables/posterior.md "| theta_1   |   95% | Wilks, 2.71     |"
has run/tables/limits.csv ",theta_2,,upper,"
has run/report.html "flat in 1/theta_1"
has run/posterior/all/summary.json '"limits"'
python3 - <<'EOF2'
import json, math, sys

SIGMA = math.sqrt(0.1)


# What holds the mass LEVEL of the density, from the side asked for.
def exact(x, low, high, power, level):
    n = 200000
    grid = [low + (high - low) * (i + 0.5) / n for i in range(n)]
    density = [math.exp(-0.5 * ((t - x) / SIGMA) ** 2) * t ** power for t in grid]
    total, below, quantile = sum(density), 0, None
    for t, d in zip(grid, density):
        below += d
        if below >= (1 - level) * total:
            quantile = t
            break
    least, most = 0, max(density)
    for _ in range(50):
        middle = 0.5 * (least + most)
        if sum(d for d in density if d >= middle) >= level * total:
            least = middle
        else:
            most = middle
    return quantile, next(t for t, d in zip(grid, density) if d >= least)


failed = 0


def check(got, wanted, what):
    global failed
    right = abs(got - wanted) < 2e-3
    failed += not right
    print(f"# {'right' if right else 'WRONG'}: {what}: {got}, {wanted}")


one, two = json.load(open("run/tables/posterior.json"))["rows"][0]["limits"]
for prior, power in (("own", 0), ("inverse", -2), ("log", -1)):
    quantile, edge = exact(1.75, 0.5, 3, power, 0.95)
    check(one["priors"][prior]["quantile"], quantile, prior + ", quantile")
    check(one["priors"][prior]["hpd_edge"], edge, prior + ", highest density")
check(one["wilks"][0]["limit"], 1.75 - 1.644854 * SIGMA, "Wilks, one-sided")
check(one["wilks"][1]["limit"], 1.75 - 1.959964 * SIGMA, "Wilks, two-sided")
check(one["best_fit"], 1.75, "best fit")
check(one["log_ratio_against"], 0.5 * (1.25 / SIGMA) ** 2, "ratio against 3")
failed += [one["side"], one["level"], one["against"]] != ["lower", 0.95, 3]
reason = "the region reaches the edge of the prior"
failed += two["wilks"] != [
    {"threshold": w["threshold"], "limit": None, "reason": reason} for w in two["wilks"]]
failed += two["priors"]["uniform"]["hpd_edge"] is not None
failed += not 1.5 < two["priors"]["uniform"]["quantile"] < 2
failed += two["against"] is not None
sys.exit(failed)
EOF2
ok $? "the numbers"

# Limits belong to the infer stage alone.
exits 0 "another level" "$NEREID" run limits.yaml -o run --resume -j 1 \
    --set 'infer.limits={parameter: theta_1, side: lower, level: 0.68}'
has err "infer.limits changed"
has err "simulate/test: reused"
has out "Limit at 68%: theta_1 >"
printf '1.2,1.1\n1.1,1.3\n' >days.csv
exits 0 "on a new observation" "$NEREID" infer run --observation days.csv --joint
has out "Limit at 68%: theta_1 >"
exits 0 "nothing known" "$NEREID" -q run limits.yaml -o prior --set estimator=prior \
    --set 'infer.target=[[theta_1], all]'
[ "$(value prior/posterior/theta_1/summary.json "['observations'][0]['limits'][0]['wilks'][0]['limit']")" = None ] \
    && [ "$(value prior/posterior/theta_1/summary.json "['observations'][0]['limits'].__len__()")" = 1 ]
ok $? "no limit from the prior, and one of the target's parameter"
printf '1,1,1,1\n' >four.csv
exits 0 "four parameters" "$NEREID" -q run limits.yaml -o four --set estimator=prior \
    --set simulator.params.dim=4 --set "infer.observation.file=$work/four.csv"
has four/tables/posterior.json "a target of more than 3 parameters has no grid"
has out "theta_1 none (a target of more than 3"

exits 3 "a prior that holds 0" "$NEREID" run limits.yaml -o no \
    --set 'infer.limits={parameter: theta_2, side: upper, priors: [own, inverse]}'
has err "error: infer.limits: 'theta_2' cannot be given the prior 'inverse': the support of its own prior holds 0"
sed 's/against: 3/against: 3.5/' limits.yaml >far.yaml
exits 3 "outside the prior" "$NEREID" check far.yaml
has err "far.yaml:12:79: error: infer.limits: against = 3.5 lies outside the prior of 'theta_1', 0.5 to 3"
sed 's/uniform: \[0.5, 3\]/normal: [0.5, 3]/' limits.yaml >infinite.yaml
exits 3 "an infinite support" "$NEREID" check infinite.yaml
has err "infinite.yaml:12:49: error: infer.limits: 'theta_1' cannot be given the prior 'inverse'"
exits 3 "in no target" "$NEREID" check limits.yaml --set 'infer.target=[theta_1]' --set estimator=prior
has err "limits.yaml:13:19: error: infer.limits: 'theta_2' is in no target"
exits 3 "no such parameter" "$NEREID" check limits.yaml --set 'infer.limits={parameter: theta_3, side: lower}'
has err "did you mean 'theta_"
exits 0 "explained" "$NEREID" explain infer.limits
has out "one of lower, upper"
finish
