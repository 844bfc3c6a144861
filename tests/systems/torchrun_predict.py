"""Run by torchrun in test_predictions: one split's predictions shared by its processes."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from topfive import flows, systems
from topfive.records import Dataset


def main() -> None:
    model, folder, out, runtime = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    how = flows.Inference(runtime=runtime, part=16, check=False)
    facts = flows.predict_file(model, Dataset.read(folder), "val", out, how=how)
    assert (facts is not None) == systems.first_process()
    systems.farewell()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
