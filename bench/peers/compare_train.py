#!/usr/bin/env python3
"""bench/train beside PyTorch (train.py), in turns on the same machine: a table in Markdown.

usage: compare_train.py TRAIN [--case NAME]... [--bins N] [--batch N] [--threads N] [--turns K]
                        [--rounds K] [--cpu]        (TRAIN: build/bench/train; needs torch and numpy)

In each turn every program runs once, as a process of its own; medians over the turns are quoted.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

CASES = ["mlp", "mlp-bn", "resnet-18", "resnet-18-bn", "resnet-50", "resnet-50-bn"]


def options():
    p = argparse.ArgumentParser()
    p.add_argument("train")
    p.add_argument("--case", choices=CASES, action="append")
    p.add_argument("--bins", type=int, default=66)
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--turns", type=int, default=3)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--cpu", action="store_true")
    return p.parse_args()


def run(o, command, case):
    """Pairs a second, and the peak memory in MB."""
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    if o.cpu:  # idle threads would count
        environment.update({"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"})
    for name in ("bins", "batch", "threads", "rounds"):
        command = command + ["--" + name, str(getattr(o, name))]
    command = command + ["--case", case] + (["--cpu"] if o.cpu else [])
    text = subprocess.run(command, check=True, env=environment, capture_output=True).stdout
    lines = [json.loads(line) for line in text.splitlines()]
    rate = [d for d in lines if d["metric"] == "pairs_per_s"][0]
    peak = [d["value"] for d in lines if d["metric"] == "memory_mb"]
    return rate["value"], peak[0] if peak else rate["peak_mb"]


def compare(o, case):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "train.py")
    programs = [[o.train, "--json"], [sys.executable, script, "--way", "paper"],
                [sys.executable, script, "--way", "expert"]]
    turns = [[run(o, program, case) for program in programs] for _ in range(o.turns)]
    return [[statistics.median(values) for values in zip(*column)] for column in zip(*turns)]


def main():
    o = options()
    print("| case | bins | batch | pairs/s | paper's way | | expert's way | | MB | paper | expert |")
    print("| :--- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
    for case in o.case or CASES:
        (ours, own), (paper, paper_mb), (expert, expert_mb) = compare(o, case)
        print(f"| {case} | {o.bins} | {o.batch} | {ours:,.0f} | {paper:,.0f} | "
              f"{ours / paper:.2f}x | {expert:,.0f} | {ours / expert:.2f}x | "
              f"{own:,.0f} | {paper_mb:,.0f} | {expert_mb:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
