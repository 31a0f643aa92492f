#!/usr/bin/env python3
"""Golden values of the mlp architecture from PyTorch: tests/golden/mlp_*.json.

usage: golden_mlp.py FOLDER        (needs torch; written with 2.x, any version will do)

Each file holds a small batch, the starting weights, and what PyTorch makes of them: logits and
gradients of the first step, running statistics, the weights after ten steps of AdamW, and the
logits at evaluation.  Row i of x meets per_x thetas; the first pair of a row is joint.
"""
import json
import sys

import torch

ROWS, PER_X, N_THETA, N_X, STEPS = 24, 2, 2, 5, 10
OPTIMISER = {"lr": 1e-2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.1}
ACTIVATIONS = {"selu": torch.nn.SELU, "elu": torch.nn.ELU, "gelu": torch.nn.GELU,
               "relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "leaky_relu": torch.nn.LeakyReLU}
CASES = [
    {"name": "selu", "activation": "selu"},
    {"name": "elu", "activation": "elu"},
    {"name": "gelu", "activation": "gelu"},
    {"name": "bn", "activation": "selu", "batch_norm": True},
    # A bias before batch norm has no gradient but rounding, which a small eps would blow up.
    {"name": "bn_layers", "activation": "elu", "batch_norm": True, "batch_norm_layers": True,
     "eps": 1e-4},
    {"name": "layer_norm", "activation": "gelu", "layer_norm": True},
]


class Mlp(torch.nn.Module):
    def __init__(self, case, layers):
        super().__init__()
        width = N_THETA + N_X
        self.inputs = torch.nn.BatchNorm1d(width) if case.get("batch_norm") else None
        self.layers = torch.nn.ModuleList()
        self.batch_norms = torch.nn.ModuleList()
        self.layer_norms = torch.nn.ModuleList()
        for units in layers:
            self.layers.append(torch.nn.Linear(width, units))
            if case.get("batch_norm_layers"):
                self.batch_norms.append(torch.nn.BatchNorm1d(units))
            if case.get("layer_norm"):
                self.layer_norms.append(torch.nn.LayerNorm(units))
            width = units
        self.output = torch.nn.Linear(width, 1)
        self.activation = ACTIVATIONS[case["activation"]]()

    def forward(self, theta, x):
        a = torch.cat([theta, x.repeat_interleave(PER_X, 0)], 1)
        a = self.inputs(a) if self.inputs else a
        for i, layer in enumerate(self.layers):
            a = layer(a)
            a = self.batch_norms[i](a) if len(self.batch_norms) else a
            a = self.layer_norms[i](a) if len(self.layer_norms) else a
            a = self.activation(a)
        return self.output(a)[:, 0]


def values(tensor):
    return [float(f"{v:.9g}") for v in tensor.detach().flatten().tolist()]


def named(pairs):
    return {name: values(t) for name, t in pairs if t is not None and "tracked" not in name}


def loss_of(logit):
    """Binary cross-entropy summed over pairs, by rows."""
    joint = (torch.arange(len(logit)) % PER_X == 0).float()
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    return bce(logit, joint, reduction="sum") / ROWS


def golden(case, layers):
    torch.manual_seed(11)
    net = Mlp(case, layers)
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.add_(0.1 * torch.randn_like(p))
    theta, x = torch.randn(ROWS * PER_X, N_THETA), 0.5 + torch.randn(ROWS, N_X)
    o = {**OPTIMISER, "eps": case.get("eps", OPTIMISER["eps"])}
    options = {k: v for k, v in case.items() if k not in ("name", "eps")}
    out = {"options": options, "layers": layers,
           "rows": ROWS, "per_x": PER_X, "theta": values(theta), "x": values(x),
           "optimiser": o, "steps": STEPS, "torch": torch.__version__,
           "weights": named(net.named_parameters()), "buffers": named(net.named_buffers())}
    adamw = torch.optim.AdamW(net.parameters(), lr=o["lr"], betas=(o["beta1"], o["beta2"]),
                              eps=o["eps"], weight_decay=o["weight_decay"])
    for step in range(STEPS):
        adamw.zero_grad()
        logit = net(theta, x)
        loss_of(logit).backward()
        if step == 0:
            out["logits"] = values(logit)
            out["gradients"] = named((n, p.grad) for n, p in net.named_parameters())
        adamw.step()
    net.eval()
    out["weights_after"] = named(net.named_parameters())
    out["buffers_after"] = named(net.named_buffers())
    out["logits_after"] = values(net(theta, x))
    return out


def main(folder):
    for case in CASES:
        path = f"{folder}/mlp_{case['name']}.json"
        with open(path, "w", encoding="ascii") as f:
            lines = (f"{json.dumps(k)}: {json.dumps(v)}" for k, v in golden(case, [8, 6]).items())
            f.write("{" + ",\n".join(lines) + "}\n")
        print(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
