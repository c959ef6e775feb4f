"""Cases that do not end well, to see that they end: no number of processes runs them but by name."""

from __future__ import annotations

from time import sleep

import torch

from tests.sharded.launch import case


@case()
def one_process_waits_for_another() -> None:
    """By a collective operation that the other never comes to."""
    if torch.distributed.get_rank() == 0:
        torch.distributed.all_reduce(torch.ones(()))


@case()
def one_process_sleeps() -> None:
    if torch.distributed.get_rank() == 1:
        sleep(60)


@case()
def all_is_well_after_that() -> None:
    x = torch.ones(())
    torch.distributed.all_reduce(x)
    assert x == torch.distributed.get_world_size()
