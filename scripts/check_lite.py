"""Evaluate the EfficientNet-Lite networks on a set of real pictures and write docs/results/lite.md.

python scripts/check_lite.py DATASET, after `topfive dataset import imagenet-samples.tar DATASET`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from topfive import flows
from topfive.flows import provenance
from topfive.records import Dataset

RESULT = Path(__file__).resolve().parents[1] / "docs" / "results" / "lite.md"
REFERENCE = {
    "efficientnet_lite0": (442, 486),
    "efficientnet_lite1": (441, 491),
    "efficientnet_lite2": (452, 494),
}
"""Correct at top-1 and top-5 of a plain torchvision-on-Pillow pipeline in fp32 on the same 500 pictures."""

HEAD = """# EfficientNet-Lite on real pictures

Correct answers on 500 real ImageNet pictures (one for every second class), with the networks' real weights, beside
those of a plain torchvision-on-Pillow pipeline in fp32. The networks have probably learnt from these pictures
(`contaminated: likely`): the counts check the pipeline, and are no accuracies.

| model | view | top-1 correct | reference | top-5 correct | reference | images/s |
| --- | --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    dataset = Dataset.read(Path(sys.argv[1]))
    lines = []
    for model, (top1, top5) in REFERENCE.items():
        for decoder in ("reference", "exact"):
            made = flows.evaluate(model, dataset, how=flows.Inference(decoder=decoder, batch_size=16))
            figures = f"{made['top1_correct']} | {top1} | {made['top5_correct']} | {top5} | {made['images_per_s']:.0f}"
            lines.append(f"| {model} | {decoder} | {figures} |")
            print(lines[-1], file=sys.stderr)
    versions = ", ".join(f"{name} {number}" for name, number in provenance.versions().items())
    tail = f"\n`python scripts/check_lite.py`, {datetime.now(UTC):%Y-%m-%d}, {provenance.hardware()}; {versions}.\n"
    RESULT.write_text(HEAD + "\n".join(lines) + "\n" + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
