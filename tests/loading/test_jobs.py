"""Work on a cluster: a real one of two nodes on this machine, both used, and the same bytes as without."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from topfive.dataset import TwinRecipe, make_twin
from topfive.dataset import fingerprints as room
from topfive.loading import run_parts
from topfive.records import BadInput

PROGRAM = """
import json, sys
from ray.cluster_utils import Cluster
from topfive.dataset import dedupe, fingerprints, verify
from topfive.loading import run_parts
from topfive.records import Dataset

cluster = Cluster()
for node in range(2):
    cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1", object_store_memory=80 << 20, include_dashboard=False)
cluster.wait_for_nodes()
dataset = Dataset.read(sys.argv[1])

def node(i):
    import time

    import ray

    time.sleep(0.5)
    return i, ray.get_runtime_context().get_node_id()

used = []
while len({n for _, n in used}) < 2 and len(used) < 120:  # a node's first process may take seconds to start
    used += run_parts(node, range(len(used), len(used) + 12), cluster=cluster.address)
found = dedupe(dataset, cluster=cluster.address)
report = verify(dataset, cluster=cluster.address)
print(json.dumps({"order": [i for i, _ in used], "nodes": len({n for _, n in used}), "group": list(found.group),
                  "problems": [list(p) for p in report.problems]}))
import ray
ray.shutdown()
cluster.shutdown()
"""


def test_here_parts_are_done_in_order_as_they_are_asked_for() -> None:
    seen: list[int] = []

    def job(part: int) -> int:
        seen.append(part)
        return part * part

    results = run_parts(job, range(5))
    assert next(results) == 0 and seen == [0]
    assert list(results) == [1, 4, 9, 16]
    assert list(run_parts(job, [])) == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray: pip install 'topfive[cluster]'")
def test_two_nodes_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_PART", 2_048)
    here = make_twin(tmp_path / "here", TwinRecipe(classes=20, train=100, val=10, test=20, size=32, duplicates=0.1))
    there = tmp_path / "there"
    shutil.copytree(here.root, there)
    with (there / "shards/val-000.tar").open("r+b") as file:
        file.seek(700)
        file.write(b"\xff" * 40)
    shutil.copytree(there, tmp_path / "here2")
    # On a machine of several addresses Ray takes the outer one for 127.0.0.1, unless clusters are said to be local.
    local = os.environ | {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(there)],
        check=False,
        env=local,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["order"] == list(range(len(told["order"]))) and told["nodes"] == 2
    from topfive.dataset import dedupe, verify
    from topfive.records import Dataset

    again = Dataset.read(tmp_path / "here2")
    assert told["group"] == list(dedupe(again).group)
    assert told["problems"] == [list(problem) for problem in verify(again).problems] and told["problems"]
    parts = sorted(path.name for path in (there / "fingerprints").iterdir())
    assert parts == sorted(path.name for path in (again.root / "fingerprints").iterdir())
    assert all(
        (there / "fingerprints" / n).read_bytes() == (again.root / "fingerprints" / n).read_bytes() for n in parts
    )


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray: pip install 'topfive[cluster]'")
def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="--cluster"):
        next(run_parts(print, [1], cluster="no address"))
