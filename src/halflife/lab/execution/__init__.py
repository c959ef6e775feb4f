"""Who trains: worker processes here, or a Ray cluster; stacked or one after the other, as a short trial decides."""

from .autotune import AutotuneDecision, choose_mode
from .batching import batches_of
from .dispatch import ShareOut, TrainingMode, execute, run_jobs, shared_out, train
from .process_pool import Finished

__all__ = [
    "AutotuneDecision",
    "Finished",
    "ShareOut",
    "TrainingMode",
    "batches_of",
    "choose_mode",
    "execute",
    "run_jobs",
    "shared_out",
    "train",
]
