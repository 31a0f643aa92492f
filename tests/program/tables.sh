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
    posterior.json quality.md quality.tex quality.csv checks.md checks.tex checks.csv timing.md \
    timing.json; do
    there network/tables/$file
done

# Two cells side by side; every table matches the schema in docs/tables.md, and LaTeX can set it.
exits 0 "a sweep of two cells" "$NEREID" -q run small.yaml -o sweep --set name=two \
    --sweep 'train.epochs=[1, 3]' --set diagnose.coverage.observables=200
has out "Checks that fail"
python3 - "$SOURCE/docs/tables.md" <<'EOF'
import json, re, sys

failed = 0
KINDS = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def wrong(what):
    global failed
    failed += 1
    print(f"# WRONG: {what}")


def is_kind(value, kind):
    if kind == "null":
        return value is None
    if kind in ("number", "integer") and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind == "number" else KINDS[kind])


def match(value, schema, where):
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_kind(value, k) for k in kinds):
        return wrong(f"{where}: {value!r} is none of {kinds}")
    if "enum" in schema and value not in schema["enum"]:
        return wrong(f"{where}: {value!r} is not in {schema['enum']}")
    if isinstance(value, list):
        for i, item in enumerate(value):
            match(item, schema.get("items", {}), f"{where}[{i}]")
    if isinstance(value, dict):
        known, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
        for key in schema.get("required", []):
            if key not in value:
                wrong(f"{where} has no {key}")
        for key, item in value.items():
            match(item, known.get(key, rest), f"{where}.{key}")


def null_has_a_reason(value, where):
    if isinstance(value, dict) and "value" in value and value["value"] is None:
        if not value.get("reason"):
            wrong(f"{where} is null without a reason")
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, (dict, list)):
            null_has_a_reason(item, f"{where}.{key}")


text = open(sys.argv[1]).read()
schemas = re.findall(r"^`(\w+)\.json`:\n\n```json\n(.*?)```", text, re.S | re.M)
assert [name for name, _ in schemas] == ["coverage", "quality", "checks"], schemas
for folder in ("network", "exact", "prior", "sweep"):
    for name, schema in schemas:
        table = json.load(open(f"{folder}/tables/{name}.json"))
        if not table["rows"]:
            wrong(f"{folder}/{name} is empty")
        match(table, json.loads(schema), f"{folder}/{name}")
        null_has_a_reason(table, f"{folder}/{name}")
cells = {row["cell"] for row in json.load(open("sweep/tables/checks.json"))["rows"]}
if cells != {"1", "3"}:
    wrong(f"cells {cells}")
sys.exit(failed)
EOF
ok $? "json as docs/tables.md says"
if command -v pdflatex >/dev/null; then
    for folder in network sweep; do
        for table in coverage quality checks posterior; do
            printf '%s\n' '\documentclass{article}' '\usepackage{booktabs,amsmath}' \
                '\begin{document}' "\\input{$folder/tables/$table.tex}" '\end{document}' >page.tex
            pdflatex -interaction=nonstopmode -halt-on-error page.tex >tex.out 2>&1
            ok $? "LaTeX sets $folder/tables/$table.tex"
        done
    done
else
    skip "LaTeX sets the tables" "there is no pdflatex"
fi
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
has out "May it be believed?"
there gate/DONE
has gate/DONE "gate missed"
exits 7 "the same again" "$NEREID" run small.yaml -o gate --resume \
    --set diagnose.coverage.gate.under=error
# A threshold on any check, and on the gain; what is missing is on no right side of a threshold.
exits 7 "a gain that is too small" "$NEREID" -q run "$@" -o network --resume \
    --set diagnose.coverage.gate.gain=3
has err "gate missed: gain over the prior of target all"
sed -n 2p out | grep -q "gate missed: gain over the prior"
ok $? "what was missed comes first"
exits 7 "ranks against thresholds" "$NEREID" -q run "$@" -o network --resume \
    --set diagnose.sbc.gate.above=2 --set diagnose.sbc.gate.below=1.5
has err "is below 1.5 (diagnose.sbc.gate.below)"
hasnt err "gate.above"
exits 7 "a number that is missing" "$NEREID" -q run "$@" -o exact --resume \
    --set estimator=exact --set diagnose.ensemble.gate.above=1
has err "it has no number to hold against diagnose.ensemble.gate.above = 1"
exits 0 "what cannot be assessed has not failed" "$NEREID" -q run "$@" -o exact --resume \
    --set estimator=exact --set diagnose.ensemble.gate.fails=error
has out "Could not be assessed: agreement of the networks"

# The lesson of the trust crisis: sure of itself after a thousand simulations.
cat >sure.yaml <<'EOF'
schema: nereid/1
name: sure
seed: 2
simulator: {plugin: slcp}
datasets: {train: {n: 1000}, validation: {n: 20}, test: {n: 400}}
architecture: {plugin: mlp, params: {layers: [128, 128, 128]}}
train:
  loss: {name: nre_c, marginals: 5}
  optimizer: {name: adamw, lr: 3.0e-3}
  batch_size: 128
  epochs: 100
  patience: 0
infer: {target: all}
diagnose:
  coverage: {observables: 400, repeats: 1, regions: [credible]}
  area: false
  predictive: false
  likelihood: false
EOF
exits 0 "an overconfident network" "$NEREID" -q run sure.yaml -o sure
has out "Do not believe the posterior of all parameters:"
has out "- coverage of credible regions: Of 400 test pairs"
has out "(too few)"
grep -q "Do not believe the posterior of all parameters" sure/report.html
ok $? "so does the page"

printf '9,-9\n' >far.csv
exits 7 "an observation like no simulation" "$NEREID" run small.yaml -o far \
    --set "infer.observation={file: $work/far.csv}" --set diagnose.predictive.gate.outside=error
has err "gate missed: place of the observation among simulations: The observation lies outside"
[ "$(value far/tables/checks.json "['rows'][-1]['missed']")" = True ]
ok $? "a gate that was missed is marked"
has out "outside"
exits 0 "without a gate" "$NEREID" run small.yaml -o far --resume \
    --set "infer.observation={file: $work/far.csv}"
has out "Do not believe the posterior of all parameters"
tr -s '\n ' '  ' <out | grep -q 'lies outside the simulator: its nearest'
ok $? "why, in words"

exits 0 "as JSON" "$NEREID" run small.yaml -o far --resume --json \
    --set "infer.observation={file: $work/far.csv}"
[ "$(value out "['folder']")" = far ] && [ "$(value out "['exit']")" = 0 ] \
    && [ -e "$(value out "['tables'][0]")" ]
ok $? "folder, exit and tables"

# A kernel chosen by the environment may be worth a warning on the machine that runs this.
exits 0 "quiet" env -u OPENBLAS_CORETYPE "$NEREID" -q run small.yaml -o quiet
[ ! -s err ] && [ -s out ]
ok $? "only the results"
exits 0 "verbose" "$NEREID" -v run small.yaml -o verbose --progress none
exits 0 "no diagnostics, no observation" "$NEREID" run small.yaml -o bare \
    --set diagnose.coverage=false --set diagnose.area=false --set diagnose.predictive=false
[ ! -e bare/tables/coverage.json ]
ok $? "no coverage table"

# What is no longer wanted goes: tables, figures and page of before would pass for those of now.
gone() {
    [ ! -e "$1" ]
    ok $? "$1 is gone"
}
mkdir no-gnuplot # a PATH of no programs
there bare/report.html
there quiet/figures/coverage.csv
exits 0 "without gnuplot" env PATH="$work/no-gnuplot" "$NEREID" run small.yaml -o quiet --resume
[ "$(grep -c "there is no gnuplot" err)" = 1 ]
ok $? "which is said once"
[ -z "$(ls quiet/figures | grep svg)" ] && ! grep -q "data:image/svg" quiet/report.html
ok $? "no pictures of before"
exits 0 "without tests of coverage and page" "$NEREID" -q run small.yaml -o quiet --resume --json \
    --set diagnose.coverage=false --set report.html=false
hasnt out "tables/coverage.json"
for file in tables/coverage.json tables/coverage.md tables/coverage.tex tables/coverage.csv \
    tables/coverage_by_parameter.csv figures/coverage.csv figures/coverage.gp report.html; do
    gone quiet/$file
done
there quiet/tables/posterior.json
exits 0 "without any test" "$NEREID" -q run small.yaml -o quiet --resume --set report.html=false \
    --set diagnose.coverage=false --set diagnose.area=false --set diagnose.predictive=false
hasnt out "Page:"
(cd bare && ls tables figures) >bare.list
(cd quiet && ls tables figures) >quiet.list
cmp bare.list quiet.list
ok $? "the same files as in a folder of its own"
finish
