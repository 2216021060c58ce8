"""Tensors, modules and optimisers over a kernel's death."""

from __future__ import annotations

import pytest
from scenes import play, shown

MODEL = (
    "%%step\ntorch.manual_seed(3)\ntally.hit('make')\n"
    "model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))"
)
TRAIN = (
    "%%step\ntally.hit('change')\nfor _ in range(3):\n    optimiser.zero_grad()\n"
    "    loss = (model(inputs) - 1).square().mean()\n    loss.backward()\n    optimiser.step()"
)
ONE_MORE = (
    "optimiser.zero_grad()\n(model(inputs) - 1).square().mean().backward()\noptimiser.step()\n"
    "[each.tolist() for each in model.parameters()]"
)
TIED = (
    "%%step\ntally.hit('make')\nencoder, decoder = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)\n"
    "decoder.weight = encoder.weight"
)
# Of each scene the last cell shows what must be equal; steps hit `make` and `change`.
SCENES = {
    "a tensor changed in place": (
        "%%step\ntally.hit('make')\nt = torch.arange(6.0)\nsame = [t]",
        "%%step\ntally.hit('change')\nt[0] = 9\nt.mul_(2)",
        "t.tolist(), same[0] is t",
    ),
    "a view": (
        "%%step\ntally.hit('make')\nwhole = torch.zeros(4)\npart = whole[1:3]",
        "%%step\ntally.hit('change')\npart += 1",
        "whole[2] = 5\nwhole.tolist(), part.tolist()",
    ),
    "memory shared with numpy": (
        "%%step\ntally.hit('make')\nt = torch.zeros(3)\nn = t.numpy()",
        "%%step\ntally.hit('change')\nt[1] = 4",
        "n[0] = 7\nt.tolist(), n.tolist()",
    ),
    "a trained model": (
        MODEL,
        "inputs = torch.tensor([[0.0, 1.0], [1.0, 0.0]])\noptimiser = torch.optim.SGD(model.parameters(), lr=0.1)",
        TRAIN,
        ONE_MORE,
    ),
    "an optimiser of a step before": (
        MODEL,
        "inputs = torch.tensor([[0.0, 1.0], [1.0, 0.0]])",
        "%%step\noptimiser = torch.optim.Adam(model.parameters(), lr=0.1)",
        TRAIN,
        "assert optimiser.param_groups[0]['params'][0] is model[0].weight\n" + ONE_MORE,
    ),
    "tied weights": (
        TIED,
        "%%step\ntally.hit('change')\nwith torch.no_grad():\n    encoder.weight.fill_(2)",
        "decoder.weight is encoder.weight, decoder.weight.tolist()",
    ),
    "gradients": (
        "%%step\ntally.hit('make')\nw = torch.ones(2, requires_grad=True)",
        "%%step\ntally.hit('change')\n(w * 3).sum().backward()",
        "w.grad.tolist(), w.requires_grad, w.is_leaf",
    ),
    "requires_grad": (
        "%%step\ntally.hit('make')\nw = torch.ones(2)",
        "%%step\ntally.hit('change')\nw.requires_grad_()",
        "w.requires_grad",
    ),
    "a seeded stream": (
        "torch.manual_seed(5)",
        "%%step\ntally.hit('make')\nfirst = torch.rand(2)",
        "%%step\ntally.hit('change')\nsecond = torch.rand(2)",
        "first.tolist(), second.tolist(), torch.rand(1).item()",
    ),
    "a generator": (
        "%%step\ntally.hit('make')\ng = torch.Generator().manual_seed(1)",
        "%%step\ntally.hit('change')\nfirst = torch.rand(2, generator=g)",
        "first.tolist(), torch.rand(1, generator=g).item()",
    ),
    "a state dict": (
        MODEL,
        "%%step\ntally.hit('change')\nstate = model.state_dict()",
        "with torch.no_grad():\n    model[0].bias.fill_(1)\nstate['0.bias'].tolist()",
    ),
}
SHARED = {
    "a view": "it makes a tensor that shares its storage with another",
    "memory shared with numpy": "it makes a tensor that shares its memory with an array",
    "a state dict": "it makes a tensor that shares its storage with another",
}
"""Scenes of which one step runs again, since what it makes is another's memory; and what it says."""


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """All scenes, played in one kernel, and again in a fresh one."""
    scenes = {name: ["import torch", *cells] for name, cells in SCENES.items()}
    return play(tmp_path_factory.mktemp("torch"), scenes)


@pytest.mark.parametrize("name", SCENES)
def test_torch_is_as_it_was(played, name):
    """Values, shared memory and the identity of parameters are those of the run that was not killed."""
    scene = played[name]
    assert [each.error for each in (*scene.first, *scene.again) if each.error] == []
    assert shown(scene.again[-1]) == shown(scene.first[-1]) != ""
    said = "".join(line for result in scene.first for line in result.own_lines)
    again = sum(scene.hits_again.values())
    assert again == (1 if name in SHARED else 0), scene.lines
    assert SHARED.get(name, "") in said
