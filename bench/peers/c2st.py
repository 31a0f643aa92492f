#!/usr/bin/env python3
"""C2ST by this program and by scikit-learn's MLPClassifier as sbibm's definition has it.

    python3 bench/peers/c2st.py build/bench/c2st [--n 10000] [--seeds 3]

Pairs of samples: one law; a Gaussian shifted by delta, where no classifier is right more often than
Phi(delta / 2); exact posterior draws of two_moons against blurred ones.  Needs numpy and scikit-learn.
"""
import argparse
import json
import math
import os
import subprocess
import tempfile
import time

import numpy as np
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier


def by_sklearn(reference, sample, seed):
    mean, deviation = reference.mean(0), reference.std(0, ddof=1)
    x = np.concatenate([(reference - mean) / deviation, (sample - mean) / deviation])
    y = np.concatenate([np.zeros(len(reference)), np.ones(len(sample))])
    width = 10 * x.shape[1]
    network = MLPClassifier(activation="relu", hidden_layer_sizes=(width, width), max_iter=10000,
                            solver="adam", random_state=seed)
    folds = KFold(n_splits=5, shuffle=True, random_state=seed)
    return cross_val_score(network, x, y, cv=folds, scoring="accuracy").mean()


def by_nereid(program, reference, sample, seed):
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("reference.npy", "sample.npy")]
        for path, values in zip(paths, (reference, sample)):
            np.save(path, np.ascontiguousarray(values, np.float64))
        out = subprocess.run([program, *paths, str(seed)], capture_output=True, text=True, check=True)
        return json.loads(out.stdout)


def two_moons(rng, n, x=(-0.6396706, 0.16234657)):
    """Exact posterior draws; every draw lies within the prior for this x."""
    angle = math.pi * (rng.random(n) - 0.5)
    radius = 0.1 + 0.01 * rng.normal(size=n)
    q = radius * np.cos(angle) + 0.25 - x[0]
    d = x[1] - radius * np.sin(angle)
    q *= np.where(rng.random(n) < 0.5, -1, 1)
    return np.stack([q - d, q + d], 1) / math.sqrt(2)


def cases(rng, n):
    def normal(dim):
        return rng.normal(size=(n, dim))

    for dim in (2, 5):
        yield f"one law, N(0, 1) in {dim}", normal(dim), normal(dim), 0.5
    for dim, delta in ((1, 0.5), (2, 1.0), (5, 2.0)):
        shift = np.zeros(dim)
        shift[0] = delta
        best = 0.5 * (1 + math.erf(delta / 2 / math.sqrt(2)))
        yield f"shift {delta:g} in {dim}", normal(dim), normal(dim) + shift, best
    yield "two_moons, one law", two_moons(rng, n), two_moons(rng, n), 0.5
    for blur in (0.01, 0.03):
        blurred = two_moons(rng, n) + blur * rng.normal(size=(n, 2))
        yield f"two_moons, blurred by {blur:g}", two_moons(rng, n), blurred, math.nan


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--n", type=int, default=10000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    print("| samples | best possible | Nereid | scikit-learn | seconds | seconds |")
    print("| :------ | ------------: | -----: | -----------: | ------: | ------: |")
    for name, reference, sample, best in cases(rng, options.n):
        ours, theirs, seconds = [], [], [0.0, 0.0]
        for seed in range(1, options.seeds + 1):
            result = by_nereid(options.program, reference, sample, seed)
            ours.append(result["accuracy"])
            seconds[0] += result["seconds"] / options.seeds
            start = time.perf_counter()
            theirs.append(by_sklearn(reference, sample, seed))
            seconds[1] += (time.perf_counter() - start) / options.seeds

        def tell(values):
            spread = np.std(values, ddof=1) if len(values) > 1 else math.nan
            return f"{np.mean(values):.4f} ± {spread:.4f}"

        known = "" if math.isnan(best) else f"{best:.4f}"
        print(f"| {name} | {known} | {tell(ours)} | {tell(theirs)} | {seconds[0]:.1f} | "
              f"{seconds[1]:.1f} |", flush=True)


main()
