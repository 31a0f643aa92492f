#!/usr/bin/env python3
"""Golden values of six architectures from PyTorch: tests/golden/network_*.json.

usage: golden_networks.py FOLDER        (needs torch and numpy; written with torch 2.15)

mlp and resnet-18 and -50, each without and with batch norm, at small widths.  Weights and inputs
are a formula of their names (`uniform`), which the test repeats, so that only results are stored:
logits, loss and gradients of the first step, weights and running statistics after ten steps of
AdamW, logits at evaluation then, and running statistics estimated anew for the first weights.
Everything is computed in double precision from weights and inputs rounded to float, so that the
differences are those of the network under test.  SELU has a kink at 0 and a max pool where two
values meet: of the first TRIES batches the one is taken that stays farthest from them.

Row i of x meets per_x thetas, the first of them joint.  The head sees each row of x once and the
trunk all pairs together.
"""
import copy
import json
import math
import sys

import numpy as np
import torch
from torch import nn

ROWS, PER_X, N_THETA, N_X, STEPS, BATCHES, TRIES = 12, 2, 2, 62, 10, 3, 12
WHOLE, SAMPLE = 16, 12  # tensors up to WHOLE values are stored whole, of others SAMPLE values
OPTIMISER = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.1}
SMALL = {"channels": [4, 6, 8, 8], "trunk": [16, 16, 16]}
USUAL = {"channels": [64, 128, 256, 512], "trunk": [512, 512, 512]}
BLOCKS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}


def conv(a, b, kernel, stride, norm):
    """The convolution, and what follows it under the name of the norm."""
    c = nn.Conv1d(a, b, kernel, stride, kernel // 2, bias=False)
    return c, nn.BatchNorm1d(b) if norm else nn.Identity()


class Block(nn.Module):
    """A basic block, or a bottleneck of expansion 4 with the stride in its middle."""

    def __init__(self, a, width, stride, bottleneck, norm):
        super().__init__()
        out = 4 * width if bottleneck else width
        if bottleneck:
            self.conv1, self.bn1 = conv(a, width, 1, 1, norm)
            self.conv2, self.bn2 = conv(width, width, 3, stride, norm)
            self.conv3, self.bn3 = conv(width, out, 1, 1, norm)
        else:
            self.conv1, self.bn1 = conv(a, width, 3, stride, norm)
            self.conv2, self.bn2 = conv(width, width, 3, 1, norm)
        self.bottleneck = bottleneck
        if stride != 1 or a != out:
            self.downsample = nn.Sequential(*conv(a, out, 1, stride, norm))
        else:
            self.downsample = nn.Identity()
        self.activation = nn.SELU()

    def forward(self, x):
        z = self.bn2(self.conv2(self.activation(self.bn1(self.conv1(x)))))
        if self.bottleneck:
            z = self.bn3(self.conv3(self.activation(z)))
        return self.activation(z + self.downsample(x))


class Trunk(nn.Module):
    def __init__(self, n, widths):
        super().__init__()
        self.layers = nn.ModuleList()
        for width in widths:
            self.layers.append(nn.Linear(n, width))
            n = width
        self.output = nn.Linear(n, 1)
        self.activation = nn.SELU()

    def trunk(self, a):
        for layer in self.layers:
            a = self.activation(layer(a))
        return self.output(a)[:, 0]


class Resnet(Trunk):
    def __init__(self, depth, norm, channels, trunk):
        bottleneck = depth >= 50
        super().__init__(N_THETA + channels[-1] * (4 if bottleneck else 1), trunk)
        a = channels[0]
        self.conv1, self.bn1 = conv(1, a, 7, 2, norm)
        self.pool = nn.MaxPool1d(3, 2, 1)
        self.stages = []
        for stage, width in enumerate(channels):
            blocks = []
            for i in range(BLOCKS[depth][stage]):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(Block(a, width, stride, bottleneck, norm))
                a = width * (4 if bottleneck else 1)
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            self.stages.append(f"layer{stage + 1}")

    def forward(self, theta, x):
        a = self.pool(self.activation(self.bn1(self.conv1(x[:, None, :]))))
        for stage in self.stages:
            a = getattr(self, stage)(a)
        features = a.mean(2).repeat_interleave(len(theta) // len(x), 0)
        return self.trunk(torch.cat([theta, features], 1))


class Mlp(Trunk):
    def __init__(self, norm, trunk, n_x):
        super().__init__(N_THETA + n_x, trunk)
        self.inputs = nn.BatchNorm1d(N_THETA + n_x) if norm else nn.Identity()

    def forward(self, theta, x):
        x = x.repeat_interleave(len(theta) // len(x), 0)
        return self.trunk(self.inputs(torch.cat([theta, x], 1)))


def network(depth, norm, sizes, n_x=N_X):
    """An mlp where depth is 0."""
    if depth == 0:
        return Mlp(norm, sizes["trunk"], n_x)
    return Resnet(depth, norm, sizes["channels"], sizes["trunk"])


def options(depth, norm, sizes):
    """Of the plugin."""
    if depth == 0:
        return {"batch_norm": norm, "layers": sizes["trunk"]}
    return {"batch_norm": norm, "depth": str(depth), **sizes}


CASES = {
    "mlp": (0, False),
    "mlp-bn": (0, True),
    "resnet-18": (18, False),
    "resnet-18-bn": (18, True),
    "resnet-50": (50, False),
    "resnet-50-bn": (50, True),
}


def uniform(name, n):
    """n multiples of 2^-24 in [-1/2, 1/2): the place hashed with the name (FNV-1a) as the seed."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    z = (np.arange(n, dtype=np.uint64) * 0x9E3779B9 + seed) % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        z = (z ^ (z >> shift)) * factor % 2**32
    z ^= z >> 16
    return (z >> 8).astype(np.float64) / 2**24 - 0.5


def formula(name, shape):
    """Weights: as wide as PyTorch's own; norms about 1 and 0."""
    n = math.prod(shape)
    if len(shape) > 1:
        values = 2 / math.sqrt(n // shape[0]) * uniform(name, n)
    elif name.endswith(".weight"):
        values = 1 + 0.5 * uniform(name, n)
    else:
        values = 0.25 * uniform(name, n)
    return torch.from_numpy(values.astype(np.float32).astype(np.float64)).reshape(shape)


def inputs(name, shape):
    values = 3.5 * uniform(name, math.prod(shape))
    return torch.from_numpy(values.astype(np.float32).astype(np.float64)).reshape(shape)


def batch(number):
    return (inputs(f"theta{number}", (ROWS * PER_X, N_THETA)), inputs(f"x{number}", (ROWS, N_X)))


def rounded(values):
    return [float(f"{v:.7g}") for v in values]


def some(tensor):
    """All values, or some of them at even distances."""
    flat = tensor.detach().flatten().tolist()
    if len(flat) <= WHOLE:
        return rounded(flat)
    return rounded(flat[i * (len(flat) - 1) // (SAMPLE - 1)] for i in range(SAMPLE))


def norm_of(tensor):
    return float(f"{tensor.detach().norm().item():.7g}")


def statistics(net):
    return {n: b for n, b in net.named_buffers() if "tracked" not in n}


def loss_of(logit):
    """Binary cross-entropy summed over pairs, by rows."""
    joint = (torch.arange(len(logit)) % PER_X == 0).double()
    bce = nn.functional.binary_cross_entropy_with_logits
    return bce(logit, joint, reduction="sum") / ROWS


def optimiser_of(net):
    o = OPTIMISER
    return torch.optim.AdamW(net.parameters(), lr=o["lr"], betas=(o["beta1"], o["beta2"]),
                             eps=o["eps"], weight_decay=o["weight_decay"])


def train_step(net, adamw, number):
    adamw.zero_grad()
    logit = net(*batch(number))
    loss = loss_of(logit)
    loss.backward()
    return logit, loss.item()


def nearest_of(module, x):
    """How near the values come to the kinks of a module."""
    if isinstance(module, nn.SELU):
        return x.abs().min().item()
    windows = nn.functional.pad(x, (1, 1), value=-math.inf).unfold(2, 3, 2)
    two = windows.topk(2, dim=3).values
    return (two[..., 0] - two[..., 1]).min().item()


def distance(net, number):
    """From the nearest kink in all steps on this batch."""
    net, found = copy.deepcopy(net), []
    for module in net.modules():
        if isinstance(module, (nn.SELU, nn.MaxPool1d)):
            module.register_forward_hook(lambda m, i, _: found.append(nearest_of(m, i[0])))
    adamw = optimiser_of(net)
    for _ in range(STEPS):
        train_step(net, adamw, number)
        adamw.step()
    return min(found)


def train(net, out):
    """Ten steps on one batch; results of the first and after the last."""
    start = {n: p.detach().clone() for n, p in net.named_parameters()}
    adamw = optimiser_of(net)
    for step in range(STEPS):
        logit, loss = train_step(net, adamw, out["batch"])
        if step == 0:
            out["logits"], out["loss"] = rounded(logit.tolist()), loss
            out["weights"] = {n: {"shape": list(p.shape), "gradient": some(p.grad),
                                  "gradient_norm": norm_of(p.grad)}
                              for n, p in net.named_parameters()}
        adamw.step()
    for n, p in net.named_parameters():
        out["weights"][n]["after"] = some(p)
        out["weights"][n]["change_norm"] = norm_of(p - start[n])
    out["buffers_after"] = {n: some(b) for n, b in statistics(net).items()}
    net.eval()
    out["logits_after"] = rounded(net(*batch(out["batch"])).tolist())


def estimate(net, out):
    """Running statistics as the mean over some batches, and logits with them."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = None
    with torch.no_grad():
        for i in range(BATCHES):
            net(*batch(out["batch"] + i))
        net.eval()
        out["buffers_estimated"] = {n: some(b) for n, b in statistics(net).items()}
        out["logits_estimated"] = rounded(net(*batch(out["batch"])).tolist())


def golden(depth, norm):
    net = network(depth, norm, SMALL).double()
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(formula(name, p.shape))
    usual = sum(p.numel() for p in network(depth, norm, USUAL).parameters())
    out = {"plugin": "resnet" if depth else "mlp", "options": options(depth, norm, SMALL),
           "usual": {"options": options(depth, norm, USUAL), "parameters": usual},
           "rows": ROWS, "per_x": PER_X, "n_theta": N_THETA, "n_x": N_X,
           "optimiser": OPTIMISER, "steps": STEPS, "batches": BATCHES,
           "torch": torch.__version__}
    out["batch"] = max(range(TRIES), key=lambda number: distance(net, number))
    out["distance"] = distance(net, out["batch"])
    again = copy.deepcopy(net)
    train(net, out)
    if statistics(net):
        estimate(again, out)
    return out


def write(path, values):
    with open(path, "w", encoding="ascii") as f:
        short = {"separators": (",", ":")}
        lines = (f"{json.dumps(k)}:{json.dumps(v, **short)}" for k, v in values.items())
        f.write("{" + ",\n".join(lines) + "}\n")


def main(folder):
    torch.set_num_threads(1)
    for name, case in CASES.items():
        path = f"{folder}/network_{name}.json"
        write(path, golden(*case))
        print(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
