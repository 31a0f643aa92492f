#!/bin/sh
# Another prior at inference than the simulations were drawn from: exact posteriors under it, and
# what is refused.
. "$(dirname "$0")/lib.sh"

# theta ~ N(0, 0.1), x ~ N(theta, 0.1): everything is known.
cat >exact.yaml <<'YAML'
schema: nereid/1
simulator: {plugin: gaussian_linear, params: {dim: 2}}
estimator: exact
datasets: {train: {n: 2000}, test: {n: 1000}}
infer:
  observation: {file: x.csv}
  sampler: {plugin: metropolis, chains: 16, warmup: 500, draws: 2000}
diagnose: {coverage: {observables: 300, repeats: 1}, area: {observables: 200}, predictive: {observables: 100}}
YAML
printf '0.3,-0.2\n' >x.csv

# mean_sd RUN PARAMETER: of the draws, and of the maxima with their errors.
numbers() {
    python3 - "$1" "$2" <<'PY'
import json, sys
o = json.load(open(sys.argv[1] + "/posterior/all/summary.json"))["observations"][0]
p = o["parameters"][int(sys.argv[2])]
print(*(p[k] for k in ("mean", "sd", "ess_bulk", "map", "map_sd", "mle", "mle_sd")))
PY
}

# close WHAT FOUND.. : mean sd ess map map_sd mle mle_sd, against MEAN SD, MLE MLE_SD.
gaussian() {
    what=$1
    shift
    python3 - "$@" <<'PY'
import sys
mean, sd, ess, best, best_sd, mle, mle_sd, m, s = (float(v) for v in sys.argv[1:])
sys.exit(not (abs(mean - m) < 4.5 * s / ess ** 0.5 and abs(sd / s - 1) < 4.5 / (2 * ess) ** 0.5
              and abs(best - m) < 0.02 * s and abs(best_sd / s - 1) < 1e-3
              and abs(mle_sd / 0.1 ** 0.5 - 1) < 1e-3))
PY
    ok $? "$what: $*"
}

exits 0 "the prior of the simulations" "$NEREID" -q run exact.yaml -o own
# shellcheck disable=SC2046
gaussian "its posterior" $(numbers own 0) 0.15 0.2236068
exits 0 "the same, said" "$NEREID" -q run exact.yaml -o said \
    --set 'infer.prior={theta_1: {normal: [0, 0.31622776601683794]}}'
for file in samples.nc grid.h5; do
    cmp -s own/posterior/all/$file said/posterior/all/$file
    ok $? "$file: the same bits as without saying so"
done
cmp -s own/diagnostics/coverage.json said/diagnostics/coverage.json
ok $? "coverage is that of the prior of the simulations"

# N(0.2, 0.04) and x = 0.3: precision 25 + 10, mean (5 + 3) / 35.
exits 0 "a narrower one" "$NEREID" -q run exact.yaml -o narrow \
    --set 'infer.prior={theta_1: {normal: [0.2, 0.2]}}'
# shellcheck disable=SC2046
gaussian "its posterior" $(numbers narrow 0) 0.22857143 0.16903085
# shellcheck disable=SC2046
gaussian "the other parameter keeps its own" $(numbers narrow 1) -0.1 0.2236068
has narrow/posterior/all/summary.json '"theta_1": "normal(0.2, 0.2)"'
has out "another prior than that"
cmp -s own/diagnostics/area.json narrow/diagnostics/area.json
ok $? "the area is that of the prior of the simulations"
[ "$(value narrow/tables/posterior.json "['rows'][0]['area']")" = "$(value own/tables/posterior.json "['rows'][0]['area']")" ]
ok $? "in the table too"
exits 0 "by the grid" "$NEREID" -q run exact.yaml -o grid --set 'infer.sampler={plugin: grid}' \
    --set 'infer.prior={theta_1: {normal: [0.2, 0.2]}}'
exits 0 "by importance" "$NEREID" -q run exact.yaml -o cloud --set 'infer.sampler={plugin: importance}' \
    --set 'infer.prior={theta_1: {normal: [0.2, 0.2]}}' --set 'infer.sampler.gate.missed=none'
python3 - <<'PY'
import json, sys
for run, tolerance in ("grid", 0.01), ("cloud", 0.15):
    p = json.load(open(run + "/posterior/all/summary.json"))["observations"][0]["parameters"][0]
    if abs(p["mean"] - 0.22857143) > tolerance * 0.169 or abs(p["sd"] / 0.16903085 - 1) > tolerance:
        sys.exit(f"{run}: {p['mean']} {p['sd']}")
PY
ok $? "grid and importance samples agree with the exact posterior"

# Flat on [0, 0.25]: the likelihood cut there.
exits 0 "a bounded one" "$NEREID" -q run exact.yaml -o cut \
    --set 'infer.prior={theta_1: {uniform: [0, 0.25]}}' --set 'infer.limits=[{parameter: theta_1, side: lower}]'
python3 - <<'PY'
import json, sys
from statistics import NormalDist
o = json.load(open("cut/posterior/all/summary.json"))["observations"][0]
p, like = o["parameters"][0], NormalDist(0.3, 0.1 ** 0.5)
low, high = like.cdf(0), like.cdf(0.25)
median = like.inv_cdf(low + 0.5 * (high - low))
tenth = like.inv_cdf(low + 0.05 * (high - low))
limit = o["limits"][0]["priors"]["own"]["quantile"]
wrong = [abs(p["quantiles"][2] - median) > 0.005, abs(limit - tenth) > 0.002, abs(p["mle"] - 0.25) > 1e-3,
         p["mle_sd"] is not None, "bound of the prior" not in o["mle"]["reason"], o["mle"]["covariance"] is not None]
sys.exit(f"{wrong}" if any(wrong) else 0)
PY
ok $? "the median, the limit and a maximum at the bound, which has no error"

# What cannot be had.
exits 3 "beyond the training prior" "$NEREID" run exact.yaml -o no \
    --set 'parameters={theta_1: {prior: {uniform: [-1, 1]}}}' \
    --set 'infer.prior={theta_1: {normal: [0, 0.2]}}'
has err "infer.prior.theta_1: normal(0, 0.2) lives on [-inf, inf], beyond [-1, 1] of uniform(-1, 1)"
has err "choose a prior within [-1, 1], or train with the wider one"
exits 3 "of a marginalised parameter" "$NEREID" run small.yaml -o no \
    --set 'infer.target=[[theta_1], all]' --set 'infer.prior={theta_2: {normal: [0, 0.2]}}'
has err "infer.prior.theta_2: target 'theta_1' leaves theta_2 out"
has err "add it to the target"
exits 3 "no such parameter" "$NEREID" run exact.yaml -o no --set 'infer.prior={theta_3: {normal: [0, 1]}}'
has err "did you mean 'theta_1'"
exits 3 "no such family" "$NEREID" run exact.yaml -o no --set 'infer.prior={theta_1: {flat: [0, 1]}}'
exits 0 "wide in the tails" "$NEREID" -q run exact.yaml -o wide --set 'infer.prior={theta_1: {normal: [0, 2]}}'
has err "infer.prior.theta_1 puts 60% of its mass where only 0.1% of the simulations were drawn"
[ ! -e no ]
ok $? "nothing is left of what was refused"

# A trained run, asked again: nothing is trained anew.
exits 0 "a trained run" "$NEREID" -q run small.yaml -o run --set 'infer.sampler.gate.missed=none' \
    --set 'infer.target=[[theta_1], all]' --set infer.nuisance=shared
cp run/posterior/theta_1/grid.h5 own.h5
exits 0 "with another prior" "$NEREID" run small.yaml -o run --resume --set 'infer.sampler.gate.missed=none' \
    --set 'infer.target=[[theta_1], all]' --set infer.nuisance=shared \
    --set 'infer.prior={theta_1: {normal: [0.2, 0.1]}}'
has run/log.txt "train/all: reused"
tr -s '\n ' '  ' <out >line
has line "theta_1 ~ normal(0.2, 0.1)"
python3 - "$(ldd "$NEREID" | awk '/libhdf5[^ ]*\.so/ && !/_hl/ { print $3; exit }')" <<'PY'
# The ratio of theta_1 on the two grids, where both have mass.
import bisect, ctypes, sys
h5, hid = ctypes.CDLL(sys.argv[1]), ctypes.c_int64
for name in "H5Fopen", "H5Dopen2", "H5Dget_space", "H5Sget_simple_extent_npoints":
    getattr(h5, name).restype = hid
h5.H5open()
real = hid.in_dll(h5, "H5T_NATIVE_DOUBLE_g")

def read(path, name):
    data = hid(h5.H5Dopen2(hid(h5.H5Fopen(path, 0, hid(0))), name, hid(0)))
    values = (ctypes.c_double * h5.H5Sget_simple_extent_npoints(hid(h5.H5Dget_space(data))))()
    if h5.H5Dread(data, real, hid(0), hid(0), hid(0), values) < 0:
        sys.exit("cannot read " + name.decode())
    return list(values)

def grid(path):
    axis, ratio, weight = (read(path, name) for name in (b"axis", b"log_ratio", b"weight"))
    return [(t, r) for t, r, w in zip(axis, ratio, weight) if w > 1e-4 * max(weight)]

own, other = grid(b"own.h5"), grid(b"run/posterior/theta_1/grid.h5")
apart = []
for t, r in other:
    i = bisect.bisect(own, (t,))
    if 0 < i < len(own):
        (a, u), (b, v) = own[i - 1], own[i]
        apart.append(abs(u + (v - u) * (t - a) / (b - a) - r))
print("#", len(apart), max(apart))
sys.exit(not (len(apart) > 20 and max(apart) < 0.02))
PY
ok $? "the grid of a part of theta has the same ratio under another prior"
finish
