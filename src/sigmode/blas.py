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

# Held by the Python thread that has set the number of threads, which belongs to the process.
_owner = threading.Lock()


@functools.cache
def _controller() -> ThreadpoolController:
    """The libraries of this process: a search of 2 ms."""
    return ThreadpoolController()


@contextlib.contextmanager
def one_thread(entries: int) -> Iterator[None]:
    """Keep BLAS to one thread inside, if no matrix has more than SMALL entries; 15 us.

    Of several Python threads in here only the first one counts, and restores the number when it leaves: the others may
    then be slower, but whatever the order in which they leave, the process ends up with the number that it had.
    """
    if entries > SMALL or not _owner.acquire(blocking=False):
        yield
        return
    try:
        with _controller().limit(limits=1, user_api="blas"):
            yield
    finally:
        _owner.release()
