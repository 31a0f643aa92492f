#!/usr/bin/env python3
"""Do exported networks give the log ratios of the program?  One line a target of each run.

usage: check_export.py NEREID RUNDIR...      (needs numpy, onnx, onnxruntime and safetensors)

For each target of a run, `nereid simulate` draws pairs, half of which get the theta of another
row, and `nereid evaluate` says their log ratios; then
  onnx         onnxruntime on the raw pairs, in one batch and in small ones: the largest difference
  far          the same with x a million times too large, turned round, or zero
  names        the constants of the ONNX model are the tensors of the safetensors files, bit by bit
  numpy        for an mlp of linear layers alone: from the safetensors file and its metadata
Exit status 1 when a difference is more than 1e-4 of the deviation of the log ratios.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from safetensors import safe_open

PAIRS, LIMIT = 2000, 1e-4
ERF = np.vectorize(math.erf, otypes=[float])
ACTIVATIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "selu": lambda z: 1.0507009873554805 * np.where(
        z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: 0.5 * z * (1 + ERF(z / math.sqrt(2))),
    "tanh": np.tanh,
}
SCALES = {"affine": lambda s: s, "none": lambda s: s, "log": np.log, "log1p": np.log1p,
          "asinh": np.arcsinh}


def nereid(*arguments):
    """What the program prints."""
    return subprocess.run([sys.argv[1], "-q", *arguments], check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def draw(run, folder):
    """theta by name, x [n][n_x]; every second theta is another row's."""
    path = os.path.join(folder, "pairs.csv")
    config = os.path.join(run, "resolved.yaml")
    nereid("simulate", config, "-n", str(PAIRS), "--seed", "77", "-o", path)
    with open(path) as lines:
        header = next(line for line in lines if not line.startswith("#")).strip().split(",")
        rows = np.array([[float(v) for v in line.split(",")] for line in lines])
    return header, rows


def read(path):
    with safe_open(path, "np") as file:
        facts = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    for key in ("architecture", "simulator", "target", "x", "network"):
        facts[key] = json.loads(facts[key])
    return facts, tensors


def pairs_of(facts, header, rows):
    n_x = len(facts["x"]["mean"])
    names = [p["name"] for p in facts["target"]["parameters"]]
    theta = rows[:, [header.index(name) for name in names]].copy()
    theta[1::2] = np.roll(theta[1::2], 1, axis=0)
    return theta, rows[:, -n_x:].astype(np.float32)


def evaluate(run, target, theta, x, folder):
    files = [os.path.join(folder, name) for name in ("t.npy", "x.npy", "out.npy")]
    np.save(files[0], theta)
    np.save(files[1], x)
    nereid("evaluate", run, "--target", target, "--theta", files[0], "--x", files[1], "-o",
           files[2])
    return np.load(files[2])[:, 0]


def infer(session, theta, x, batch):
    parts = [session.run(["log_ratio"], {"theta": theta[i:i + batch], "x": x[i:i + batch]})[0]
             for i in range(0, len(theta), batch)]
    return np.concatenate(parts)


def standardised(facts, theta, x):
    parameters = facts["target"]["parameters"]
    z = [(SCALES[p["scale"]](theta[:, i]) - p["centre"]) / p["deviation"]
         for i, p in enumerate(parameters)]
    start, columns = 0, []
    for field in facts["x"]["fields"]:
        width = int(np.prod(field["shape"]))
        mean, inverse = (np.array(facts["x"][key][start:start + width])
                         for key in ("mean", "inverse_deviation"))
        raw = x[:, start:start + width].astype(float)
        value = (SCALES[field["scale"]](raw) - mean) * inverse
        columns.append(raw if field["scale"] == "none" else np.clip(value, -10, 10))
        start += width
    return np.column_stack([*z, *columns])


def by_numpy(facts, tensors, theta, x):
    """The log ratio of an mlp; None for other networks."""
    options = facts["architecture"]["options"]
    plain = facts["architecture"]["plugin"] == "mlp" and not any(
        options.get(key) for key in ("batch_norm", "batch_norm_layers", "layer_norm", "residual",
                                     "blocks"))
    if not plain:
        return None
    z = standardised(facts, theta, x)
    names = [name[:-len(".weight")] for name in tensors if name.endswith(".weight")]
    for i, name in enumerate(names):
        z = z @ tensors[name + ".weight"].astype(float).T + tensors[name + ".bias"]
        if i + 1 < len(names):
            z = ACTIVATIONS[options["activation"]](z)
    return z[:, 0]


def same_tensors(model, members):
    """How many constants of the model are tensors of the files; None when one differs."""
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    found = 0
    for k, (_, tensors) in enumerate(members):
        for name, value in tensors.items():
            held = constants.get(name if len(members) == 1 else f"member_{k}.{name}")
            if held is None or held.shape != value.shape or held.tobytes() != value.tobytes():
                return None
            found += 1
    return found


def far_off(facts, x):
    """Rows that are clamped or lie off their scale; fields that nothing clamps stay."""
    factor = np.array([1e6, -1e6, 0], np.float32)[np.arange(len(x)) % 3]
    clamped = np.concatenate([np.full(int(np.prod(f["shape"])), f["scale"] != "none")
                              for f in facts["x"]["fields"]])
    return np.where(clamped, x * factor[:, None], x)


def check_target(run, model_path, members, header, rows, folder):
    facts = members[0][0]
    target = facts["target"]["name"]
    theta, x = pairs_of(facts, header, rows)
    ours = evaluate(run, target, theta, x, folder)
    model = onnx.load(model_path)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    theirs = infer(session, theta, x, PAIRS)
    worst = max(np.abs(infer(session, theta, x, batch) - ours).max() for batch in (PAIRS, 7))
    one = infer(session, theta[:1], x[:1], 1)
    outside = far_off(facts, x)
    far = np.abs(infer(session, theta, outside, PAIRS)
                 - evaluate(run, target, theta, outside, folder)).max()
    tensors = same_tensors(model, members)
    plain = [by_numpy(*member, theta, x) for member in members]
    other = None if plain[0] is None else np.abs(np.mean(plain, axis=0) - ours).max()
    print(f"{run:24} {target:16} {facts['architecture']['plugin']:8} members {len(members)}  "
          f"deviation {ours.std():8.4f}  onnx {worst:.1e}  far {far:.1e}  "
          f"names {'DIFFER' if tensors is None else tensors}  "
          f"numpy {'-' if other is None else format(other, '.1e')}")
    limit = LIMIT * max(1, ours.std())
    return (tensors is not None and worst < limit and far < limit and theirs.shape == (PAIRS,)
            and abs(one[0] - ours[0]) < limit and (other is None or other < limit))


def check(run):
    with tempfile.TemporaryDirectory() as folder:
        files = {form: json.loads(nereid("export", run, "--to", form, "-o",
                                         os.path.join(folder, form), "--json"))["files"]
                 for form in ("safetensors", "onnx")}
        header, rows = draw(run, folder)
        by_target = {}
        for path in files["safetensors"]:
            member = read(path)
            by_target.setdefault(member[0]["target"]["name"], []).append(member)
        good = True
        for path in files["onnx"]:
            name = os.path.basename(path)[:-len(".onnx")]
            good &= check_target(run, path, by_target[name], header, rows, folder)
        return good


sys.exit(0 if all([check(run) for run in sys.argv[2:]]) else 1)
