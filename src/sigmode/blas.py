"""BLAS and LAPACK on one thread while matrices are small.

The threads of OpenBLAS and MKL wait for each other by spinning. On busy cores one of them waits for its turn at every
product of a small matrix: a training of 0.6 s was seen to take 9 s (`bench/test_training.py`, busy).
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]

# Entries of the largest matrix from which two threads are faster than one on idle cores: `scipy.linalg.lstsq` takes as
# long with one at 750 000, and 1.9 times as long at 3 000 000.
SMALL = 1_000_000

_lock = threading.Lock()
_users = 0
_limit: contextlib.AbstractContextManager[object] | None = None


@functools.cache
def _controller() -> ThreadpoolController:
    """The libraries of this process: a search of 2 ms."""
    return ThreadpoolController()


@contextlib.contextmanager
def one_thread(entries: int) -> Iterator[None]:
    """Keep BLAS to one thread inside, if no matrix has more than SMALL entries; 15 us.

    The number of threads belongs to the process: of several Python threads in here the last one to leave restores it.
    """
    global _users, _limit
    if entries > SMALL:
        yield
        return
    with _lock:
        if _users == 0:
            _limit = _controller().limit(limits=1, user_api="blas")
            _limit.__enter__()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _limit is not None:
                _limit.__exit__(None, None, None)
                _limit = None
