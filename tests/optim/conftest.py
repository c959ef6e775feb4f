"""The precision in which torch keeps its clock."""

import pytest
import torch


@pytest.fixture
def double_precision():
    """torch keeps step counts and scalars in the default dtype; numbers compared to 1e-12 want it to be float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
