"""A network stacked ``[replica, …]``: its gradients as one list of operations, recorded once.

``vmap`` gives each replica its own weights; autograd of the sum of all losses gives each its own gradient. Doing that
anew in every step costs 0.5 to 1 ms in Python, as much as the arithmetic of 20 small networks: so the operations are
recorded in the first step (``make_fx``) and repeated. A forward pass must therefore do the same operations in every
step; what it draws with torch's generator (dropout) is drawn anew each time.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.graph import CodeGen

from .stack_ops import StackOps
from .trainer import measured, seeded
from .training import Training, TrialBatch

Tensors = dict[str, Tensor]


class Stack:
    """All replicas' weights and buffers, by seed and then by cell: replica s·cells + c.

    ``weights`` are what is trained: parameters that are frozen, or that no loss depends on, lie among the ``buffers``,
    for alone they would have no gradient, and an optimizer passes over them. ``fixed`` names those.
    """

    def __init__(self, training: Training, replicas: TrialBatch) -> None:
        self.training, self.replicas = training, replicas
        models = [seeded(training, seed) for seed in replicas.seeds]
        self.model, self.cells = models[0], len(replicas.lrs)
        parameters = self._stacked([dict(model.named_parameters()) for model in models])
        trained = self._trained()
        self.fixed = tuple(name for name in parameters if name not in trained)
        self.weights = {name: x for name, x in parameters.items() if name in trained}
        self.buffers = self._stacked([dict(model.named_buffers()) for model in models])
        self.buffers |= {name: parameters[name] for name in self.fixed}
        self._repeat: Callable[..., Sequence[Tensor]] | None = None

    def _stacked(self, of_seeds: Sequence[Tensors]) -> Tensors:
        """Each seed's tensors, copied to each cell."""
        return {
            name: torch.stack([tensors[name].detach() for tensors in of_seeds]).repeat_interleave(self.cells, 0)
            for name in of_seeds[0]
        }

    def _trained(self) -> set[str]:
        """The parameters that have a gradient, by a first step of one network; torch's generator stays where it is."""
        size, train = self.training.recipe.batch_size, self.training.problem.train
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            model = seeded(self.training, self.replicas.seeds[0]).train()
            free = {name: x for name, x in model.named_parameters() if x.requires_grad}
            loss = self.training.problem.loss(model(train.inputs[:size]), train.targets[:size])
            found: Any = torch.autograd.grad(loss, list(free.values()), allow_unused=True)  # None for the unused
        return {name for name, gradient in zip(free, found, strict=True) if gradient is not None}

    def gradients(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The losses ``[replica]`` and their gradients, in the order of ``weights``, of batches ``[seed, batch, …]``.

        Buffers change as the model changes them in training.
        """
        batch = self._of_replicas(inputs), self._of_replicas(targets)
        if self._repeat is None:
            self._repeat = self._recorded(batch)
        losses, *grads = self._repeat(*self.weights.values(), *self.buffers.values(), *batch)
        return losses, grads

    def _of_replicas(self, x: Tensor) -> Tensor:
        """Each replica's part, or what all share: one seed's batch need not be copied."""
        return x[0] if len(self.replicas.seeds) == 1 else x.repeat_interleave(self.cells, 0)

    def _recorded(self, batch: tuple[Tensor, Tensor]) -> Callable[..., Sequence[Tensor]]:
        """The operations of one step, recorded on copies of what they change; torch's generator stays where it is."""
        names, n = (*self.weights, *self.buffers), len(self.weights)
        shared = None if len(self.replicas.seeds) == 1 else 0
        losses_of = vmap(self._loss, in_dims=(0, shared, shared), randomness="different")

        def step(*tensors: Tensor) -> list[Tensor]:
            leaves = [w.detach().requires_grad_() for w in tensors[:n]]
            stacked = dict(zip(names, [*leaves, *tensors[n:-2]], strict=True))
            with torch.enable_grad(), StackOps():
                losses = losses_of(stacked, *tensors[-2:])
                return [losses.detach(), *torch.autograd.grad(losses.sum(), leaves, materialize_grads=True)]

        self.model.train()
        buffers = [x.clone() for x in self.buffers.values()]
        with torch.random.fork_rng(devices=[]):
            return _shaved(make_fx(step)(*self.weights.values(), *buffers, *batch))

    def _loss(self, tensors: Tensors, inputs: Tensor, targets: Tensor) -> Tensor:
        outputs = functional_call(self.model, tensors, (inputs,))
        return self.training.problem.loss(outputs, targets) * self.training.recipe.loss_scale

    def measure(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Every replica's mean loss and mean error on the same samples."""
        one = _Measured(self.model.eval(), self.training)
        with StackOps():
            return vmap(one, in_dims=(0, None, None))({**self.weights, **self.buffers}, inputs, targets)


class _Measured:
    """One replica's measures as a function of its tensors."""

    def __init__(self, model: nn.Module, training: Training) -> None:
        self.model, self.problem = model, training.problem

    def __call__(self, tensors: Tensors, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return measured(lambda x: functional_call(self.model, tensors, (x,)), self.problem, inputs, targets)


def _shaved(recorded: GraphModule) -> Callable[..., Sequence[Tensor]]:
    """Without what only autograd needed, and called with tensors rather than trees of them."""
    graph = recorded.graph
    for node in list(graph.nodes):
        if node.target is torch.ops.aten.detach.default:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    graph.set_codegen(CodeGen())
    recorded.recompile()
    return recorded.forward
