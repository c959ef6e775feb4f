"""One thread a test process: the tests run side by side, and torch's threads would spin against each other."""

import torch

torch.set_num_threads(1)
