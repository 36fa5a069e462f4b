"""Comparisons: two things measured in turn in one test, so that a drifting machine slows both; ratios at the end.

They take turns in bursts with a pause before each, not run by run: OpenBLAS's idle threads spin for some 25 ms after a
matrix product, and on two cores whatever runs with two threads next to them is slowed many times over.
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

from sigmode.compiled.launch import ENTRIES

# Seconds per comparison, and bursts of each of the two at least: short suite, long tables.
_SECONDS, _PAIRS = {False: 0.8, True: 3.0}, {False: 3, True: 5}
_PAUSE = 0.05  # seconds before a burst
_BURST = 0.1  # seconds of one of the two in a row, at least three runs
_rows: list[tuple[str, str, float, float, float, str]] = []


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """Every kernel compiled for one thread and for several, so that no figure depends on what ran before."""
    for kernel in ENTRIES:
        kernel.compile()


@pytest.fixture
def compare(benchmark, request) -> Callable[..., float]:
    """compare(ours, baseline, size=..., what=...): alternate the two, record ours with pytest-benchmark.

    The ratio is the median of baseline time over our time, pair of bursts by pair of bursts.
    """
    full = bool(request.config.getoption("--benchmark-full"))

    def run(ours: Callable[[], Any], baseline: Callable[[], Any], *, size: str, what: str, note: str = "") -> float:
        pairs = alternate(ours, baseline, _SECONDS[full], _PAIRS[full])
        ratio = statistics.median(theirs / own for own, theirs in pairs)
        own, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        benchmark.group = size
        benchmark.extra_info.update(ratio=ratio, baseline=theirs, note=note)
        benchmark.pedantic(ours, rounds=max(1, min(20, int(_SECONDS[full] / own))), warmup_rounds=0)
        _rows.append((what, size, own, theirs, ratio, note))
        return ratio

    return run


@pytest.fixture
def claim(benchmark) -> Callable[..., None]:
    """claim(cases, what=..., size=...): the median ratio over many (ours, baseline); the times are sums."""

    def run(
        cases: list[tuple[Callable[[], Any], Callable[[], Any]]],
        *,
        size: str,
        what: str,
        note: str = "",
        runs: int | None = None,
    ) -> None:
        if runs is None:
            pairs = [alternate(*case, 0.0, 3) for case in cases]
        else:  # of processes, whose first run is what is meant
            pairs = [[(_time_of(ours), _time_of(baseline)) for _ in range(runs)] for ours, baseline in cases]
        found = [[statistics.median(column) for column in zip(*pair, strict=True)] for pair in pairs]
        ratio = statistics.median(theirs / own for own, theirs in found)
        own, theirs = (sum(column) for column in zip(*found, strict=True))
        benchmark.group = size
        benchmark.extra_info.update(ratio=ratio, note=note)
        benchmark.pedantic(cases[0][0], rounds=1, warmup_rounds=0)
        _rows.append((what, size, own, theirs, ratio, note))

    return run


def _time_of(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def alternate(
    ours: Callable[[], Any], baseline: Callable[[], Any], seconds: float, bursts: int
) -> list[tuple[float, float]]:
    """Times of ours and of the baseline, in bursts that take turns."""
    ours(), baseline()
    pairs: list[tuple[float, float]] = []
    start = time.perf_counter()
    while len(pairs) < bursts or time.perf_counter() - start < seconds:
        pairs.append((_burst(ours), _burst(baseline)))
    return pairs


def _burst(function: Callable[[], Any]) -> float:
    """The median time of a run of many."""
    time.sleep(_PAUSE)
    times: list[float] = []
    while len(times) < 3 or sum(times) < _BURST:
        times.append(_time_of(function))
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
    write("| what is compared | size | ours | baseline | ratio | |")
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
