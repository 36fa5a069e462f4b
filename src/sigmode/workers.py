"""Chunks of work on this thread, on threads, in processes, or wherever a map-like callable takes them."""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Shares", "by_map", "checked", "in_processes", "on_threads"]

# Seconds that a share of the work is to take, so that a stop is heard soon; shares of processes and of map-like
# callables, per worker and in all. Not tuned.
_SHARE = 0.1
_PER_PROCESS, _IN_ALL = 8, 64

Share = tuple[int, int]


def checked(workers: Any) -> int | Callable[..., Any]:
    """A number of workers, or a function that maps."""
    if callable(workers):
        return workers  # type: ignore[no-any-return]
    if callable(getattr(workers, "map", None)):
        return workers.map  # type: ignore[no-any-return]
    try:
        count = int(workers.__index__())
    except AttributeError:
        raise TypeError(
            "`workers` must be an integer, -1 for all cores, a map-like callable or something with a method `map`, got "
            f"{workers!r}."
        ) from None
    if count == -1:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count < 1:
        raise ValueError(f"`workers` must be at least 1, or -1 for all cores, got {count}.")
    return count


class Shares:
    """Shares of N members, handed out on demand; each is to take a tenth of a second."""

    def __init__(self, N: int, threads: int) -> None:
        self._N, self._threads, self._next, self._size = N, threads, 0, 1
        self._lock = threading.Lock()

    def take(self) -> Share | None:
        """The next share, (lo, hi), or None."""
        with self._lock:
            lo = self._next
            hi = min(self._N, lo + max(1, min(self._size, (self._N - lo) // (2 * self._threads))))
            self._next = hi
            return (lo, hi) if hi > lo else None

    def took(self, share: Share, seconds: float) -> None:
        """How long one took."""
        with self._lock:
            self._size = max(1, min(4 * self._size, int((share[1] - share[0]) * _SHARE / max(seconds, 1e-9))))

    def stop(self) -> None:
        """No more of them."""
        with self._lock:
            self._next = self._N


def on_threads(work: Callable[[int, int], Any], N: int, threads: int) -> Iterator[tuple[Share, Any]]:
    """``work(lo, hi)`` for shares of N members, as they come; on one thread or on several."""
    shares = Shares(N, threads)

    def run(share: Share) -> Any:
        start = time.perf_counter()
        found = work(*share)
        shares.took(share, time.perf_counter() - start)
        return found

    if threads == 1 or N <= 1:
        while (share := shares.take()) is not None:
            yield share, run(share)
        return
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        running: dict[Any, Share] = {}
        try:
            while True:
                while len(running) < threads and (share := shares.take()) is not None:
                    running[pool.submit(run, share)] = share
                if not running:
                    return
                done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            shares.stop()


def _even(N: int, pieces: int) -> list[Share]:
    """N members in so many shares at most."""
    pieces = max(1, min(N, pieces))
    edges = [N * k // pieces for k in range(pieces + 1)]
    return list(itertools.pairwise(edges))


def in_processes(task: Callable[[Any], Any], load: Callable[[int, int], Any], N: int, processes: int) -> Iterator[Any]:
    """``task(load(lo, hi))`` in processes that are not forked: a fork of a process with threads may hang."""
    shares = _even(N, _PER_PROCESS * processes)
    _check_pickles(task)
    kinds = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in kinds else "spawn")
    pool = concurrent.futures.ProcessPoolExecutor(min(processes, len(shares)), mp_context=context)
    try:
        running = {pool.submit(task, load(*share)): share for share in shares}
        for future in concurrent.futures.as_completed(running):
            yield running[future], future.result()
    except concurrent.futures.process.BrokenProcessPool as exception:
        raise RuntimeError(
            "A process of `workers` ended: `fun` must be importable there. Define it in a module, protect the script "
            'by `if __name__ == "__main__":`, or use workers=1.'
        ) from exception
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def by_map(
    function: Callable[..., Any], task: Callable[[Any], Any], load: Callable[[int, int], Any], N: int
) -> Iterator[tuple[Share, Any]]:
    """``function(task, loads)``, as `map` would have it; results may be futures."""
    shares = _even(N, _IN_ALL)
    loads = [load(*share) for share in shares]
    try:
        found = function(task, loads)
    except TypeError as exception:
        if "pickle" in str(exception):
            raise _no_pickle(exception) from exception
        raise TypeError("`workers` must be of the form f(function, iterable).") from exception
    except (pickle.PicklingError, AttributeError) as exception:
        raise _no_pickle(exception) from exception
    results = iter(found)
    for share in shares:
        result = next(results, None)
        if result is None:
            raise TypeError(f"`workers` must return one result for each of the {len(shares)} chunks, as `map` does.")
        yield share, result.result() if hasattr(result, "result") else result


def _check_pickles(task: Any) -> None:
    try:
        pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError) as exception:
        raise _no_pickle(exception) from exception


def _no_pickle(exception: Exception) -> TypeError:
    return TypeError(
        f"`fun`, `jac` or `output` cannot be sent to another process ({exception}): define it at the top level of a "
        "module, compile it by Numba and let `workers` be threads, or use workers=1."
    )
