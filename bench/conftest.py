"""Comparisons: two things measured in turn in one test, so that a drifting machine slows both; ratios at the end.

They take turns in bursts, not run by run: OpenBLAS's idle threads spin for some 25 ms after a matrix product, and on
two cores whatever runs with two threads next to them is slowed many times over.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
import numpy
import pytest
import scipy

_SECONDS = 3.0  # per comparison
_BURST = 0.1  # seconds of one of the two in a row, at least three runs
_PAIRS = 5  # bursts of each, at least
_rows: list[tuple[str, str, float, float, float, str]] = []


@pytest.fixture
def compare(benchmark) -> Callable[..., float]:
    """compare(ours, baseline, size=..., what=...): alternate the two, record ours with pytest-benchmark.

    The ratio is the median of baseline time over our time, pair of bursts by pair of bursts.
    """

    def run(ours: Callable[[], Any], baseline: Callable[[], Any], *, size: str, what: str, note: str = "") -> float:
        ours(), baseline()
        pairs = []
        start = time.perf_counter()
        while len(pairs) < _PAIRS or time.perf_counter() - start < _SECONDS:
            pairs.append((_burst(ours), _burst(baseline)))
        ratio = statistics.median(theirs / own for own, theirs in pairs)
        own, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        benchmark.group = size
        benchmark.extra_info.update(ratio=ratio, baseline=theirs, note=note)
        benchmark.pedantic(ours, rounds=20, warmup_rounds=1)
        _rows.append((what, size, own, theirs, ratio, note))
        return ratio

    return run


def _burst(function: Callable[[], Any]) -> float:
    """The median time of a run of many."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < _BURST:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _rows:
        return
    write = terminalreporter.write_line
    write("")
    write(
        f"Medians of alternating bursts. {os.cpu_count()} cores, {numba.get_num_threads()} Numba threads; "
        f"{_processor()}; Python {platform.python_version()}, NumPy {numpy.__version__}, "
        f"SciPy {scipy.__version__}, Numba {numba.__version__}"
    )
    write("")
    write("| comparison | size | ours | baseline | ratio | |")
    write("|---|---|--:|--:|--:|---|")
    for what, size, own, theirs, ratio, note in _rows:
        write(f"| {what} | {size} | {_time(own)} | {_time(theirs)} | {ratio:.2f} | {note} |")


def _processor() -> str:
    """The processor as LLVM names it: the kernels are compiled for exactly this one."""
    return llvmlite.binding.get_host_cpu_name()


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if seconds * scale >= 1.0:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"
