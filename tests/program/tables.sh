#!/bin/sh
# What the tables say: the format of coverage.json, floor and ceiling, gates, the summary.
. "$(dirname "$0")/lib.sh"

# An observation of the exact posterior's own making; more pairs, so that coverage means something.
set -- small.yaml --set datasets.test.n=4000 --set diagnose.coverage.observables=2000
exits 0 "exact" "$NEREID" run "$@" -o exact --set estimator=exact
has out "Tables: exact/tables"
[ ! -e exact/model ] && [ ! -e exact/data/validation ]
ok $? "nothing is trained for an exact ratio"
exits 0 "prior" "$NEREID" -q run "$@" -o prior --set estimator=prior
exits 0 "network" "$NEREID" -q run "$@" -o network
python3 - <<'EOF'
import json, math, sys

failed = 0
count = 0


def check(good, what):
    global failed, count
    count += 1
    failed += not good
    print(f"# {'right' if good else 'WRONG'}: {what}")


row_keys = {"target", "architecture", "gain", "cells"}
cell_keys = {"region", "level", "coverage", "sd_evaluation", "sd_training", "n", "interval",
             "verdict"}
tables = {}
for name in ("exact", "prior", "network"):
    table = json.load(open(f"{name}/tables/coverage.json"))
    row = tables[name] = table["rows"][0]
    check(row_keys <= set(row), f"{name}: keys of a row: {sorted(row)}")
    check(row["target"] == "all", f"{name}: target")
    check(len(row["cells"]) == 6, f"{name}: two regions of three levels")
    for cell in row["cells"]:
        check(cell_keys <= set(cell), f"{name}: keys of a cell: {sorted(cell)}")
        check(cell["sd_training"] is None, f"{name}: no spread over one training")
        check(cell["n"] == 4000, f"{name}: distinct pairs")
        low, high = cell["interval"]
        check(low <= cell["coverage"] <= high, f"{name}: interval")
        wanted = "under" if high < cell["level"] else "over" if low > cell["level"] else "ok"
        check(cell["verdict"] == wanted, f"{name}: verdict {cell['verdict']}")
check(tables["prior"]["gain"] == 0, "the prior gains nothing")
for name in ("exact", "prior"):
    for cell in tables[name]["cells"]:
        if cell["region"] == "credible":
            check(cell["verdict"] == "ok", f"{name}: {cell['level']}: {cell['coverage']}")
# Two coordinates, each log(2) / 2 nats; the deviation of a pair's gain is below 1.
gain = tables["exact"]["gain"]
check(abs(gain - math.log(2)) < 4.5 / math.sqrt(4000), f"exact gain {gain}")
for cell in tables["exact"]["cells"]:
    if cell["region"] == "confidence":
        check(cell["verdict"] == "ok", f"Wilks is exact here: {cell['level']}: {cell['coverage']}")
check([tables[n]["architecture"] for n in tables] == ["exact", "prior", "mlp"], "names of rows")
sys.exit(failed)
EOF
ok $? "coverage.json"
for file in coverage.md coverage.tex coverage.csv posterior.md posterior.tex posterior.csv \
    posterior.json timing.md timing.json; do
    there network/tables/$file
done
python3 - <<'EOF'
import json, sys
text = open("network/report.html").read()
row = json.load(open("network/tables/coverage.json"))["rows"][0]
loads = [word for word in ('src="http', 'href="http', "url(http", "<script") if word in text]
sys.exit(not (row["simulations"] == 9000 and "<html" in text and not loads))
EOF
ok $? "the total of simulations is in the table, the page loads nothing"

# Gates: the small network's confidence sets are far too small.
exits 7 "a gate on coverage" "$NEREID" run small.yaml -o gate \
    --set diagnose.coverage.gate.under=error
has err "gate missed: the 68% confidence region of target all covers"
has out "Coverage for all parameters"
there gate/DONE
has gate/DONE "gate missed"
exits 7 "the same again" "$NEREID" run small.yaml -o gate --resume \
    --set diagnose.coverage.gate.under=error
printf '9,-9\n' >far.csv
exits 7 "an observation like no simulation" "$NEREID" run small.yaml -o far \
    --set "infer.observation={file: $work/far.csv}" --set diagnose.predictive.gate.outside=error
has err "gate missed: do not believe the posterior of target all, observation 0"
has out "outside"
exits 0 "without a gate" "$NEREID" run small.yaml -o far --resume \
    --set "infer.observation={file: $work/far.csv}"
has out "Note: do not believe the posterior"

exits 0 "as JSON" "$NEREID" run small.yaml -o far --resume --json \
    --set "infer.observation={file: $work/far.csv}"
[ "$(value out "['folder']")" = far ] && [ "$(value out "['exit']")" = 0 ] \
    && [ -e "$(value out "['tables'][0]")" ]
ok $? "folder, exit and tables"

exits 0 "quiet" "$NEREID" -q run small.yaml -o quiet
[ ! -s err ] && [ -s out ]
ok $? "only the results"
exits 0 "verbose" "$NEREID" -v run small.yaml -o verbose --progress none
exits 0 "no diagnostics, no observation" "$NEREID" run small.yaml -o bare \
    --set diagnose.coverage=false --set diagnose.area=false --set diagnose.predictive=false
[ ! -e bare/tables/coverage.json ]
ok $? "no coverage table"
finish
