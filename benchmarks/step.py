"""How many times as fast as torch is one ``AdamW.step()`` on a ResNet's 210 tensors? ``python benchmarks/step.py``"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from halflife.benchmark import SETS, BenchmarkSettings, run_benchmark, speeds


def main(name: str = "resnet") -> None:
    """Print the ratios of one interleaved run."""
    settings = BenchmarkSettings(sets=(SETS[name],), optimizers=("adamw",))
    with TemporaryDirectory() as folder:
        measured = run_benchmark(settings, Path(folder)).benchmark.measurements
    for m, speed in zip(measured, speeds(measured), strict=True):
        if m.role.startswith("ours"):
            print(f"{m.contender}: {speed.over_fused:.2f} × torch fused, {speed.over_foreach:.2f} × torch foreach")


if __name__ == "__main__":
    main(*sys.argv[1:])
