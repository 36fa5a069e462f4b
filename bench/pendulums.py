"""2000 pendulums three ways: one large system, a loop, an ensemble; and what a chunk costs in another process.

    python bench/pendulums.py     # a minute

Angles at t = 10 at rtol 1e-6; errors against DOP853 at 1e-12.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from scipy.integrate import solve_ivp

import sigmode as sm

N, SPAN, Y0, RTOL, ATOL = 2000, (0.0, 10.0), (2.0, 0.0), 1e-6, 1e-9


@numba.njit
def compiled(t: float, y: Any, w: float) -> Any:
    """One pendulum, compiled."""
    return y[1], -w * np.sin(y[0])


def plain(t: float, y: Any, w: float) -> Any:
    """One pendulum."""
    return [y[1], -w * np.sin(y[0])]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, of the second run, and the result."""
    run()
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


def one_system(w: Any) -> Any:
    """All in one, as SciPy's users write it: the worst member sets the steps."""

    def fun(t: float, y: Any) -> Any:
        return np.concatenate([y[w.size :], -w * np.sin(y[: w.size])])

    start = np.repeat(Y0, w.size)
    return solve_ivp(fun, SPAN, start, method="DOP853", t_eval=SPAN[1:], rtol=RTOL, atol=ATOL).y[: w.size, -1]


def loop(w: Any) -> Any:
    """DOP853 in a loop, f compiled."""
    options = {"method": "DOP853", "t_eval": SPAN[1:], "rtol": RTOL, "atol": ATOL}
    return np.array([solve_ivp(compiled, SPAN, Y0, args=(value,), **options).y[0, -1] for value in w])


def ensemble(fun: Any, w: Any, workers: Any) -> Any:
    """`solve_ensemble`."""
    return sm.solve_ensemble(fun, SPAN, Y0, args=(w,), rtol=RTOL, atol=ATOL, workers=workers).y[:, 0, -1]


def main() -> None:
    """Print the tables."""
    w = np.linspace(0.5, 2.0, N)
    checked = slice(None, None, 50)
    options = {"method": "DOP853", "t_eval": SPAN[1:], "rtol": 1e-12, "atol": 1e-13}
    exact = np.array([solve_ivp(plain, SPAN, Y0, args=(value,), **options).y[0, -1] for value in w[checked]])
    ways = {
        "one system of 4000 equations, DOP853": lambda: one_system(w),
        "loop, DOP853, compiled f": lambda: loop(w),
        "ensemble, compiled f, 2 threads": lambda: ensemble(compiled, w, 2),
        "ensemble, plain f": lambda: ensemble(plain, w, 1),
    }
    print("| 2000 pendulums | s | largest error |\n|---|--:|--:|")
    for name, run in ways.items():
        seconds, found = timed(run)
        print(f"| {name} | {seconds:.2f} | {abs(found[checked] - exact).max():.0e} |", flush=True)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool:
        few, _ = timed(lambda: ensemble(compiled, w[:64], pool))
        many, _ = timed(lambda: ensemble(compiled, w, pool))
    here, _ = timed(lambda: ensemble(compiled, w, 1))
    print(f"\n64 members in 64 chunks through a process: {few / 64 * 1e3:.2f} ms per chunk; all {N}: {many:.2f} s,")
    print(f"{here:.2f} s without it.")


if __name__ == "__main__":
    main()
