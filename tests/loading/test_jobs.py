"""Work in parts: here, by local processes, and on a real cluster of two nodes, with the same answers in order."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from topfive.dataset import TwinRecipe, make_twin, parts
from topfive.loading import jobs, run_parts
from topfive.records import BadInput, WorkFailed

CLUSTER = """
import json, sys
from ray.cluster_utils import Cluster
from topfive.dataset import dedupe, fingerprints, parts, verify
from topfive.loading import run_parts
from topfive.records import Dataset

parts._ROWS = 500
cluster = Cluster()
for node in range(2):
    cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1", object_store_memory=80 << 20, include_dashboard=False)
cluster.wait_for_nodes()
dataset = Dataset.read(sys.argv[1])

def node(i, threads):
    import time

    import ray

    time.sleep(0.5)
    return i, ray.get_runtime_context().get_node_id()

used = []
while len({n for _, n in used}) < 2 and len(used) < 120:  # a node's first process may take seconds to start
    used += run_parts(node, range(len(used), len(used) + 12), cluster=cluster.address)
found = dedupe(dataset, cluster=cluster.address)
report = verify(dataset, cluster=cluster.address)
features = []
if len(sys.argv) > 2:
    from pathlib import Path
    from topfive.flows import Probing, probe
    facts = probe(sys.argv[2], dataset, "test", kind="knn",
                  how=Probing(cache=Path(sys.argv[3]), part=256, cluster=cluster.address))
    features = [facts["top1_error"], facts["chosen"]]
print(json.dumps({"order": [i for i, _ in used], "nodes": len({n for _, n in used}), "group": list(found.group),
                  "problems": [list(p) for p in report.problems], "features": features}))
import ray
ray.shutdown()
cluster.shutdown()
"""
WAITING = """
import os, threading
from topfive.loading import jobs, run_parts

jobs._ENOUGH = 2

def job(part, threads):
    if part > 3:
        threading.Event().wait(300)
    return os.getpid()

for pid in run_parts(job, range(8), workers=2):
    print(pid, flush=True)
"""
SMALL = """
import torch
from torch import nn

def build():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 16, 5, 2), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(144, 1000))
"""


class Taken(Sequence[int]):
    """Numbers that are counted as they are taken."""

    def __init__(self, n: int) -> None:
        self.n, self.taken = n, 0

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, at: Any) -> Any:
        self.taken += 1
        return range(self.n)[at]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two parts are enough for processes."""
    monkeypatch.setattr(jobs, "_ENOUGH", 2)


def told(part: int, threads: int) -> tuple[int, int, int, list[int]]:
    import numpy as np  # the process is new: this loads the libraries that are asked

    np.ones((8, 8)) @ np.ones((8, 8))
    return part * part, threads, os.getpid(), [one["num_threads"] for one in threadpool_info()]


def refuse(part: int, threads: int) -> int:
    if part == 3:
        raise BadInput("is no picture", where="a.tar", row=part, fix="Look")
    return part


def die(part: int, threads: int) -> int:
    if part == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return part


def test_here_parts_are_done_in_order_as_they_are_asked_for() -> None:
    seen: list[tuple[int, int]] = []

    def job(part: int, threads: int) -> int:
        seen.append((part, threads))
        return part * part

    results = run_parts(job, range(jobs._ENOUGH - 1), workers=3)
    assert next(results) == 0 and seen == [(0, 3)]
    assert list(results) == [part * part for part in range(1, jobs._ENOUGH - 1)]
    assert list(run_parts(job, range(20))) == [part * part for part in range(20)]
    assert list(run_parts(job, [], workers=2)) == []


def test_processes_give_the_same_in_order_with_one_thread_each_and_few_parts_ahead(two: None) -> None:
    numbers = Taken(24)
    with closing(run_parts(told, numbers, workers=2)) as results:
        first = next(results)
        assert numbers.taken <= 2 * 2 + 1
        every = [first, *results]
    assert [one[0] for one in every] == [part * part for part in range(24)]
    assert {one[1] for one in every} == {1}
    assert os.getpid() not in {one[2] for one in every} and len({one[2] for one in every}) <= 2
    assert {threads for one in every for threads in one[3]} == {1}
    for pid in {one[2] for one in every}:
        assert not Path(f"/proc/{pid}").exists(), "its processes end with the iterator"


def test_what_a_job_refuses_and_a_process_that_dies_are_told_by_name(two: None) -> None:
    with pytest.raises(BadInput) as refused:
        list(run_parts(refuse, range(8), workers=2))
    assert (refused.value.where, refused.value.row, refused.value.fix) == ("a.tar", 3, "Look")
    with pytest.raises(WorkFailed, match=r"one of 2 processes has died.*fewer --workers"):
        list(run_parts(die, range(8), workers=2))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to wait for a stranger's process")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_end_by_ctrl_c_or_a_kill_ends_the_processes(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as asked:
        assert asked.stdout is not None
        pids = {int(asked.stdout.readline()) for _ in range(4)}
        handles = [os.pidfd_open(pid) for pid in pids]
        # Ctrl-C in a terminal goes to every process of the group.
        os.killpg(asked.pid, how) if how == signal.SIGINT else os.kill(asked.pid, how)
        _, said = asked.communicate(timeout=60)
    for handle in handles:
        ready, _, _ = select.select([handle], [], [], 60)
        os.close(handle)
        assert ready, "a process that does parts is still there"
    if how == signal.SIGINT:
        assert said.count("Traceback") == 1 and said.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray: pip install 'topfive[cluster]'")
def test_two_nodes_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_ROWS", 500)
    here = make_twin(tmp_path / "here", TwinRecipe(classes=20, train=100, val=10, test=20, size=32, duplicates=0.1))
    there = tmp_path / "there"
    shutil.copytree(here.root, there)
    with (there / "shards/val-000.tar").open("r+b") as file:
        file.seek(700)
        file.write(b"\xff" * 40)
    shutil.copytree(there, tmp_path / "here2")
    model = []
    if importlib.util.find_spec("torch") is not None:
        (tmp_path / "small.py").write_text(SMALL, encoding="utf-8")
        model = [f"py:{tmp_path / 'small.py'}:build", str(tmp_path / "cache there")]
    # On a machine of several addresses Ray takes the outer one for 127.0.0.1, unless clusters are said to be local.
    local = os.environ | {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLUSTER, str(there), *model],
        check=False,
        env=local,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["order"] == list(range(len(told["order"]))) and told["nodes"] == 2
    from topfive.dataset import dedupe, verify
    from topfive.records import Dataset

    again = Dataset.read(tmp_path / "here2")
    assert told["group"] == list(dedupe(again).group)
    assert told["problems"] == [list(problem) for problem in verify(again).problems] and told["problems"]
    same_files(there / "fingerprints", again.root / "fingerprints")
    if model:
        from topfive.flows import Probing, probe

        found = probe(model[0], again, "test", kind="knn", how=Probing(cache=tmp_path / "cache here", part=256))
        assert told["features"] == [found["top1_error"], found["chosen"]]
        same_files(tmp_path / "cache there", tmp_path / "cache here")


def same_files(a: Path, b: Path) -> None:
    names = sorted(path.relative_to(a) for path in a.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(b) for path in b.rglob("*") if path.is_file()) and names
    assert all((a / name).read_bytes() == (b / name).read_bytes() for name in names)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray: pip install 'topfive[cluster]'")
def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="--cluster"):
        next(run_parts(lambda part, threads: part, [1], cluster="no address"))


def test_an_array_is_a_part_like_any_other(two: None) -> None:
    some = [np.arange(start, start + 3) for start in range(5)]
    assert list(run_parts(total, some, workers=2)) == [int(part.sum()) for part in some]


def total(part: Any, threads: int) -> int:
    return int(part.sum())
