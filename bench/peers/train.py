#!/usr/bin/env python3
"""Training steps of the six networks of Hermans et al. 2020 in PyTorch: pairs a second.

usage: train.py [--case NAME] [--way paper|expert] [--bins N] [--batch N] [--threads N]
                [--rounds K] [--cpu] [--compile]        (needs torch and numpy)

A pair is a row of x with its joint and its marginal theta, as in bench/train.  paper: the whole
network runs once on joint and once on marginal pairs.  expert: the head of a ResNet sees each row
of x once, the trunk joint and marginal pairs together, and AdamW is fused.  Both: SELU, float32,
binary cross-entropy, AdamW.  Prints one JSON object a case, with the median of the rounds after one
that does not count; --cpu counts seconds of CPU by thread, --compile uses torch.compile.
"""
import argparse
import json
import resource
import statistics
import time

import torch

from golden_networks import CASES, USUAL, network


def options():
    p = argparse.ArgumentParser()
    p.add_argument("--case", choices=CASES)
    p.add_argument("--way", choices=["paper", "expert"])
    p.add_argument("--bins", type=int, default=66)
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--cpu", action="store_true")
    p.add_argument("--compile", action="store_true")
    return p.parse_args()


def bce(logit, value):
    return torch.nn.functional.binary_cross_entropy_with_logits(
        logit, torch.full_like(logit, value))


def paper_loss(net, theta, x):
    return bce(net(theta, x), 1.0) + bce(net(theta[torch.randperm(len(theta))], x), 0.0)


def expert_loss(net, theta, x):
    """Row i of x meets thetas 2i, joint, and 2i + 1, marginal."""
    both = torch.stack([theta, theta[torch.randperm(len(theta))]], 1).flatten(0, 1)
    logit = net(both, x)
    return bce(logit[0::2], 1.0) + bce(logit[1::2], 0.0)


def seconds(o):
    return time.process_time() / o.threads if o.cpu else time.monotonic()


def step_times(o, case, way):
    torch.manual_seed(1)
    net = network(*CASES[case], USUAL, o.bins)
    loss_of = paper_loss if way == "paper" else expert_loss
    adamw = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0.1,
                              fused=way == "expert")
    called = torch.compile(net) if o.compile else net
    theta, x = torch.randn(o.batch, 2), torch.randn(o.batch, o.bins)
    times = []
    for _ in range(o.rounds + 1):
        start = seconds(o)
        adamw.zero_grad()
        loss = loss_of(called, theta, x)
        loss.backward()
        adamw.step()
        times.append(seconds(o) - start)
    assert torch.isfinite(loss)
    return times[1:]


def main():
    o = options()
    torch.set_num_threads(o.threads)
    for case in [o.case] if o.case else CASES:
        for way in [o.way] if o.way else ["paper", "expert"]:
            rate = o.batch / statistics.median(step_times(o, case, way))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6
            print(json.dumps({"bench": "peers/train", "case": case, "bins": o.bins,
                              "batch": o.batch, "way": way, "compile": o.compile,
                              "metric": "pairs_per_s", "value": round(rate, 1),
                              "peak_mb": round(peak), "threads": o.threads,
                              "torch": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
