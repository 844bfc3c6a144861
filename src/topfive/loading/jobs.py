"""Work in parts: by this process, by local processes, or by the machines of a Ray cluster, with the same answers in
order."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from topfive.records import BadInput, WorkFailed

Item = TypeVar("Item")
Part = TypeVar("Part")
Result = TypeVar("Result")

_ENOUGH = 4
"""Parts that are worth processes of their own. Two are ready half a second after they are asked for, as long as one
core needs for half a part of small pictures; 50,000 of 64 px, in 7 parts, are verified in 5.7 s by one thread, 7.2 s by
two, which wait for Python's lock more than they decode, and 3.2 s by two processes."""
_AHEAD = 2
"""Parts in work or waiting for each process: one more than it works on, so that it never waits for the next."""
_ROUNDS = 4
"""Parts handed out at once for each of the cluster's cores: joblib's Ray backend returns a round as a whole."""
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""What keeps numeric libraries from starting a thread a core in each process."""
_LOOK_S = 1.0
"""How often a process looks whether the one that it works for is still there."""


class Later(Sequence[Part]):
    """Parts that are made of `items` one by one, when they are asked for."""

    def __init__(self, make: Callable[[Item], Part], items: Sequence[Item]) -> None:
        self._make: Callable[[Any], Part] = make
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, at: Any) -> Any:
        return self._make(self._items[at])


def run_parts(
    job: Callable[[Part, int], Result], parts: Sequence[Part], *, workers: int = 1, cluster: str = ""
) -> Generator[Result, None, None]:
    """What `job(part, threads)` makes of each part, in their order; a part is taken from `parts` when its turn comes.

    Few parts are done in this process one at a time, each as it is asked for, by `workers` threads; more of them by
    `workers` processes of one thread each, and at most two parts a process are in memory. `cluster` is a Ray cluster's
    address, `HOST:PORT` or `auto`, whose cores work in their place; files must lie under the same path on every
    machine. Elsewhere than in this process `job`, its parts and results are pickled and sent. Raises what a job raises,
    WorkFailed where a process dies, and BadInput, at the first part, where Ray is not installed or does not answer. The
    processes end with the iterator, and with the process that asked for them, however that ends.
    """
    if cluster:
        yield from _on_cluster(job, parts, cluster)
    elif workers > 1 and len(parts) >= _ENOUGH:
        yield from _in_processes(job, parts, min(workers, len(parts)))
    else:
        for part in parts:
            yield job(part, workers)


def _in_processes(job: Callable[[Part, int], Result], parts: Sequence[Part], workers: int) -> Iterator[Result]:
    # joblib's own pool of processes, without `joblib.Parallel` around it: that either works ahead of a slow reader
    # without bound, or in rounds, at whose ends processes wait for the slowest.
    from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor

    pool = ProcessPoolExecutor(workers, initializer=_begin, initargs=(os.getpid(),), env=_ONE_THREAD)
    waiting: deque[Future[Result]] = deque()
    done = False
    try:
        for at in range(len(parts)):
            if len(waiting) == _AHEAD * workers:
                yield waiting.popleft().result()
            waiting.append(pool.submit(job, parts[at], 1))
        while waiting:
            yield waiting.popleft().result()
        done = True
    except BrokenProcessPool as error:
        fix = "If memory ran out, ask for fewer --workers; the same command goes on"
        raise WorkFailed(f"one of {workers} processes has died, and its part of the work with it. {fix}") from error
    finally:
        if not done:
            _wait_until_taken(waiting)
        pool.shutdown(wait=True, kill_workers=not done)


def _wait_until_taken(waiting: Iterable[Future[Any]]) -> None:
    """Wait until loky's thread has handed on what waits: if processes are killed before, it ends with a KeyError."""
    until = time.monotonic() + _LOOK_S
    while any(not future.running() and not future.done() for future in waiting) and time.monotonic() < until:
        time.sleep(0.001)


def _begin(parent: int) -> None:
    """Leave Ctrl-C to the process that asked, and end when that one has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), name="end with parent", daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


def _on_cluster(job: Callable[[Part, int], Result], parts: Sequence[Part], cluster: str) -> Iterator[Result]:
    ray = _connected(cluster)
    import joblib
    from ray.util.joblib import register_ray

    register_ray()
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    for start in range(0, len(parts), _ROUNDS * cores):
        some = range(start, min(start + _ROUNDS * cores, len(parts)))
        with joblib.parallel_config(backend="ray"):
            # With any other n_jobs than -1 joblib keeps small work in this process.
            yield from joblib.Parallel(n_jobs=-1, batch_size=1)(joblib.delayed(job)(parts[at], 1) for at in some)


def _connected(address: str) -> Any:
    if importlib.util.find_spec("ray") is None:
        raise BadInput("needs ray", where="--cluster", fix="pip install 'topfive[cluster]'")
    import ray

    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            reason = f"does not answer ({str(error).splitlines()[0][:160]})"
            raise BadInput(reason, where=f"--cluster {address}", fix="Start one: `ray start --head`") from error
    return ray
