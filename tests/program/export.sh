#!/bin/sh
# export: networks and draws of a run as files for others, and what is refused.
. "$(dirname "$0")/lib.sh"

exits 0 "a run" "$NEREID" -q run small.yaml -o run --until train \
    --set train.epochs=1 --set train.ensemble=2 --set 'infer.target=[[theta_2], all]'

exits 0 "safetensors" "$NEREID" export run --to safetensors
for member in 0 1; do
    for target in theta_2 all; do
        there run/export/$target-member-$member.safetensors
        has out "run/export/$target-member-$member.safetensors"
    done
done
cat >read.py <<'PYTHON'
# The header of a safetensors file, and its tensors as lists of floats.
import json
import struct
import sys

data = open(sys.argv[1], "rb").read()
length, = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + length])
facts = header.pop("__metadata__")
assert all(isinstance(text, str) for text in facts.values())
assert json.loads(facts["architecture"])["options"]["layers"] == [32, 32]
assert [p["name"] for p in json.loads(facts["target"])["parameters"]] == ["theta_1", "theta_2"]
assert json.loads(facts["network"])["members"] == [1]
shapes = {"layers.0.weight": [32, 4], "layers.0.bias": [32], "layers.1.weight": [32, 32],
          "layers.1.bias": [32], "output.weight": [1, 32], "output.bias": [1]}
assert {name: entry["shape"] for name, entry in header.items()} == shapes
end = 0
for entry in header.values():
    start, stop = entry["data_offsets"]
    values = struct.unpack(f"<{(stop - start) // 4}f", data[8 + length + start:8 + length + stop])
    assert start == end and any(values)
    end = stop
assert 8 + length + end == len(data)
PYTHON
python3 read.py run/export/all-member-1.safetensors
ok $? "the header says what is in the file"
cmp -s run/export/all-member-0.safetensors run/export/all-member-1.safetensors
[ $? -eq 1 ]
ok $? "members differ"

exits 0 "onnx" "$NEREID" export run --to onnx
there run/export/all.onnx
there run/export/theta_2.onnx
for word in log_ratio member_0.layers.0.weight member_1.output.bias; do
    has run/export/all.onnx $word
done
exits 0 "one target into a file" "$NEREID" export run --to onnx --target theta_2 -o new/one.onnx
cmp -s new/one.onnx run/export/theta_2.onnx
ok $? "the same bytes"
exits 0 "into a folder, as JSON" "$NEREID" export run --to safetensors -o there --json
[ "$(value out "['files'][3]")" = there/all-member-1.safetensors ]
ok $? "the files"
for file in there/*; do
    cmp -s "$file" "run/export/$(basename "$file")"
    ok $? "$file: the same bytes"
done
exits 0 "with other threads" "$NEREID" export run --to onnx -o again -j 1
cmp -s again/all.onnx run/export/all.onnx
ok $? "the same bytes"

# A mixture of posteriors is no mean of log ratios.
cp -r run mixture
rm -r mixture/export
sed -i 's/ensemble: mean/ensemble: mixture/' mixture/resolved.yaml
exits 0 "of a mixture" "$NEREID" export mixture --to onnx
there mixture/export/all-member-0.onnx
[ ! -e mixture/export/all.onnx ]
ok $? "each member alone"

exits 9 "what exists" "$NEREID" export run --to onnx
has err "run/export/theta_2.onnx"
rm run/export/theta_2.onnx
exits 9 "some of what is to be written exists" "$NEREID" export run --to onnx
[ ! -e run/export/theta_2.onnx ]
ok $? "nothing is written then"
exits 2 "several networks into a file" "$NEREID" export run --to safetensors -o f.safetensors
has err "--target"
exits 2 "no such target" "$NEREID" export run --to onnx --target theta_1
has err "theta_2"
exits 2 "no format" "$NEREID" export run
has err "--to"
exits 2 "no run" "$NEREID" export --to onnx
exits 2 "a misspelt format" "$NEREID" export run --to onx
has err "did you mean: --to onnx"
exits 5 "draws that were not made" "$NEREID" export run --to getdist
has err "summary.json' is not there"
exits 5 "a folder without a run" "$NEREID" export new --to onnx
has err "not a run directory"
exits 5 "no folder" "$NEREID" export nowhere --to onnx
exits 0 "a run not trained yet" "$NEREID" -q run small.yaml -o begun --until simulate
exits 5 "its networks" "$NEREID" export begun --to onnx
has err "training has not finished"
[ ! -e begun/export ]
ok $? "nothing is written"
exits 0 "a run without a network" "$NEREID" -q run small.yaml -o exact --until simulate \
    --set estimator=exact
exits 2 "its networks" "$NEREID" export exact --to safetensors
has err "has no network"
printf x | dd of=run/model/all/member-0/weights.h5 bs=1 seek=2000 conv=notrunc 2>dd.err
exits 5 "damaged weights" "$NEREID" export run --to onnx --target all -o damaged
has err "weights.h5"
[ ! -e damaged/all.onnx ]
ok $? "nothing is written"
touch file
exits 5 "a file for a folder" "$NEREID" export run --to onnx --target theta_2 -o file/x.onnx
# Draws: chains, weighted ones, several observations.
exits 0 "a run with draws" "$NEREID" -q run small.yaml -o drawn --until infer --set train.epochs=1 \
    --set 'infer.target=[[theta_2], all]' --set infer.observation.simulate.n=2
for format in arviz getdist csv npy; do
    exits 0 "$format" "$NEREID" export drawn --to $format
done
for file in theta_2-1.nc all-0.nc all-0_8.txt all-1.paramnames all-1.ranges theta_2-0.csv all-1.npy; do
    there drawn/export/$file
done
cmp -s drawn/export/all-1.nc drawn/posterior/all/1/samples.nc
ok $? "arviz: as the run wrote it"
has drawn/export/all-0.ranges "theta_1 N N"
grep -q "theta_1.\\\\theta_{1}" drawn/export/all-0.paramnames
ok $? "labels"
exits 9 "again" "$NEREID" export drawn --to csv
exits 0 "one target elsewhere" "$NEREID" export drawn --to csv --target theta_2 -o d --json
[ "$(value out "['files'][1]")" = d/theta_2-1.csv ]
ok $? "the files"
exits 0 "a grid in a box" "$NEREID" -q run small.yaml -o boxed --until infer --set estimator=exact \
    --set 'simulator={plugin: two_moons}' --set 'infer.sampler={plugin: grid}'
for format in arviz getdist csv npy; do
    exits 0 "$format of weighted draws" "$NEREID" export boxed --to $format
done
has boxed/export/all.ranges "theta_1 -1 1"
cat >draws.py <<'PYTHON'
# The same draws in all formats.
import csv
import glob
import json
import struct

def table(path):
    with open(path) as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]

def summary(run, target, i):
    with open(f"{run}/posterior/{target}/summary.json") as file:
        return json.load(file)["observations"][i]["parameters"]

rows = table("drawn/export/all-1.csv")
assert len(rows) == 8 * 500 and list(rows[0]) == ["chain", "draw", "log_posterior", "theta_1", "theta_2"]
assert [(r["chain"], r["draw"]) for r in rows] == [(c, d) for c in range(8) for d in range(500)]
for p in summary("drawn", "all", 1):
    assert abs(sum(r[p["name"]] for r in rows) / len(rows) - p["mean"]) < 1e-12
text = [line.split() for k in range(1, 9) for line in open(f"drawn/export/all-1_{k}.txt")]
assert [[float(v) for v in t] for t in text] == \
    [[1, -r["log_posterior"], r["theta_1"], r["theta_2"]] for r in rows]
data = open("drawn/export/all-1.npy", "rb").read()
assert b"(4000, 2)" in data[:128]
assert struct.unpack("<8000d", data[-64000:]) == tuple(r[k] for r in rows for k in ("theta_1", "theta_2"))

rows = table("boxed/export/all.csv")
total = sum(r["weight"] for r in rows)
text = [[float(v) for v in line.split()] for path in glob.glob("boxed/export/all_*.txt") for line in open(path)]
plain = open("boxed/export/all.npy", "rb").read()
n = int(plain[:128].split(b"(")[1].split(b",")[0])
values = struct.unpack(f"<{2 * n}d", plain[-16 * n:])
effective = total ** 2 / sum(r["weight"] ** 2 for r in rows)
assert n == int(effective * (1 + 1e-9)), (n, effective)
for k, p in enumerate(summary("boxed", "all", 0)):
    mean = sum(r["weight"] * r[p["name"]] for r in rows) / total
    assert abs(mean - p["mean"]) < 1e-9
    assert abs(sum(t[0] * t[2 + k] for t in text) / sum(t[0] for t in text) - mean) < 1e-9
    assert abs(sum(values[k::2]) / n - mean) < 0.02, (p["name"], sum(values[k::2]) / n, mean)
PYTHON
python3 draws.py
ok $? "the same draws in all formats"
printf x | dd of=boxed/posterior/all/samples.nc bs=1 seek=2 conv=notrunc 2>dd.err
exits 5 "damaged draws" "$NEREID" export boxed --to npy -o damaged
has err "samples.nc"
finish
