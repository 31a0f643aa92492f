#!/usr/bin/env python3
"""Posterior draws as others read them: exports of a run by ArviZ, xarray and GetDist.

    python3 bench/peers/check_samples.py build/nereid RUNDIR

Exports every target of a finished run in all formats and compares means, names, labels, ranges and weights with
summary.json.  Needs numpy, xarray, arviz, netCDF4 and getdist.
"""
import json
import os
import subprocess
import sys
import tempfile

import arviz
import getdist
import numpy as np
import xarray
from getdist import loadMCSamples


def summaries(run):
    for target in sorted(os.listdir(os.path.join(run, "posterior"))):
        with open(os.path.join(run, "posterior", target, "summary.json")) as file:
            observations = json.load(file)["observations"]
        for o in observations:
            name = target if len(observations) == 1 else f"{target}-{o['observation']}"
            yield name, [p for p in o["parameters"] if not p["derived"]], o


def check(folder, name, parameters, observation):
    names = [p["name"] for p in parameters]
    mean = np.array([p["mean"] for p in parameters])
    deviation = np.array([p["sd"] for p in parameters])
    root = os.path.join(folder, name)

    table = np.atleast_1d(np.genfromtxt(root + ".csv", delimiter=",", names=True))
    weight = table["weight"] if "weight" in table.dtype.names else np.ones(len(table))
    weight = weight / weight.sum()
    columns = np.stack([table[n] for n in names], 1)
    assert np.allclose(weight @ columns, mean, rtol=1e-9, atol=1e-12), name

    draws = arviz.from_netcdf(root + ".nc")
    assert set(draws.groups()) == {"posterior", "sample_stats", "observed_data"}
    assert list(draws.posterior.data_vars) == names
    assert draws.posterior[names[0]].dims == ("chain", "draw")
    xarray.open_dataset(root + ".nc", group="observed_data").load()
    values = np.stack([draws.posterior[n].values.ravel() for n in names], 1)
    assert np.array_equal(values, np.load(root + ".npy"))
    error = deviation / np.sqrt(max(len(values), 1))
    assert np.all(np.abs(values.mean(0) - mean) <= 4.5 * error + 1e-12), (name, values.mean(0), mean)

    samples = loadMCSamples(root, settings={"ignore_rows": 0}, no_cache=True)
    assert samples.getParamNames().list() == names
    assert samples.getParamNames().labels() == [p["label"] for p in parameters]
    assert np.allclose(samples.getMeans()[:len(names)], mean, rtol=1e-6, atol=1e-9)
    with open(root + ".ranges") as file:
        ranges = {line.split()[0]: line.split()[1:] for line in file}
    for n in names:
        for read, said in zip((samples.ranges.lower, samples.ranges.upper), ranges[n]):
            assert (n not in read) if said == "N" else float(said) == read[n], (n, said)
    print(f"{name}: {len(table)} draws, {len(values)} equally weighted, ranges "
          f"{ {n: ranges[n] for n in names} }: the same in all formats")


def main():
    program, run = sys.argv[1:]
    getdist.chains.print_load_details = False
    with tempfile.TemporaryDirectory() as folder:
        for name in ("arviz", "getdist", "csv", "npy"):
            subprocess.run([program, "export", run, "--to", name, "-o", folder], check=True,
                           stdout=subprocess.DEVNULL)
        for name, parameters, observation in summaries(run):
            check(folder, name, parameters, observation)


main()
