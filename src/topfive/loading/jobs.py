"""Work in parts: in this process by default, or on the machines of a Ray cluster, with the same answers in order."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from topfive.records import BadInput

Part = TypeVar("Part")
Result = TypeVar("Result")

_ROUNDS = 4
"""Parts handed out at once for each of the cluster's cores: joblib's Ray backend returns a round as a whole."""


def run_parts(job: Callable[[Part], Result], parts: Sequence[Part], *, cluster: str = "") -> Iterator[Result]:
    """What `job` makes of each part, in their order: in this process one at a time, each as it is asked for.

    `cluster` is a Ray cluster's address, `HOST:PORT` or `auto`; empty means this process. On a cluster `job`, its parts
    and results are pickled and sent, so files must lie under the same path on every machine; what a round of parts
    makes comes back together. Raises BadInput, at the first part, where Ray is not installed or does not answer.
    """
    if not cluster:
        yield from map(job, parts)
        return
    ray = _connected(cluster)
    import joblib
    from ray.util.joblib import register_ray

    register_ray()
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    for start in range(0, len(parts), _ROUNDS * cores):
        some = parts[start : start + _ROUNDS * cores]
        with joblib.parallel_config(backend="ray"):
            # With any other n_jobs than -1 joblib keeps small work in this process.
            yield from joblib.Parallel(n_jobs=-1, batch_size=1)(joblib.delayed(job)(part) for part in some)


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
