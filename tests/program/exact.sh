#!/bin/sh
# With exact ratios highest-density regions and Neyman sets cover what they say, at each of four
# problems; sets by Wilks' theorem where it holds, and fail as known where it does not.
. "$(dirname "$0")/lib.sh"

cat >exact.yaml <<'YAML'
schema: nereid/1
seed: 3
simulator: {plugin: two_moons}
estimator: exact
datasets: {calibration: {n: 3400}, test: {n: 500}}
infer:
  observation: {simulate: {n: 1, seed: 3}}
  sampler: {plugin: metropolis, chains: 4, warmup: 50, draws: 50, gate: {missed: none}}
diagnose:
  coverage: {levels: [0.68, 0.95, 0.997], regions: [credible, confidence, neyman], observables: 500, repeats: 1}
  area: false
  predictive: false
YAML
for problem in gaussian_linear two_moons gaussian_mixture slcp; do
    pairs=500
    [ $problem = slcp ] && pairs=100 # each is costly
    exits 0 "$problem" "$NEREID" run exact.yaml --set simulator.plugin=$problem \
        --set diagnose.coverage.observables=$pairs -o $problem
    python3 - $problem $pairs <<'EOF2'
import json, math, sys

# Wilks at 68%: nominal for the Gaussian; elsewhere the published failure, which has two digits.
problem, rare = sys.argv[1], 7e-6  # as rare as 4.5 deviations of a normal
wilks = {"gaussian_linear": 0.68, "two_moons": 0.87, "gaussian_mixture": 0.35, "slcp": 0.51}[problem]
rounded = 0 if problem == "gaussian_linear" else 0.005


def log_chance(k, n, p, m):
    """k of n; p itself is known from m simulations: beta-binomial."""
    a, b, g = p * m, (1 - p) * m, math.lgamma
    return (g(n + 1) - g(k + 1) - g(n - k + 1) + g(a + k) + g(b + n - k) - g(a + b + n)
            + g(a + b) - g(a) - g(b))


def is_rare(k, n, p, m):
    chance = [math.exp(log_chance(i, n, p, m)) for i in range(n + 1)]
    return min(sum(chance[: k + 1]), sum(chance[k:])) < rare / 2


row = json.load(open(f"{problem}/tables/coverage.json"))["rows"][0]
source = json.load(open(f"{problem}/diagnostics/coverage.json"))["rows"][0]
failed = 0
for c, s in zip(row["cells"], source["cells"]):
    level, n, k = c["level"], c["n"], s["covered"]
    by_wilks = c["region"] == "confidence"
    if by_wilks and problem != "gaussian_linear" and level != 0.68:
        continue
    expected = wilks if by_wilks and level == 0.68 else level
    known = 3400 if c["region"] == "neyman" else 1e9
    ends = [expected - rounded, expected + rounded] if by_wilks else [expected]
    good = n >= 0.85 * float(sys.argv[2]) and (not all(is_rare(k, n, p, known) for p in ends)
                         or by_wilks and ends[0] < k / n < ends[-1])
    if not good:
        print(f"# {problem} {c['region']} {level}: {k} of {n}, expected {expected}")
        failed += 1
print(failed, file=open("failed", "w"))
EOF2
    [ "$(cat failed)" = 0 ]
    ok $? "$problem covers as it must"
done
finish
