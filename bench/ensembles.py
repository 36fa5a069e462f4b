"""Times per member of `sigmode.solve_ensemble`, compiled f, true error 1e-8 at the end, against a loop and prange.

    python bench/ensembles.py           # two minutes; numbalsoda is left out where it is not installed

SciPy: LSODA in a Python loop with the same compiled f. numbalsoda: its `lsoda` and `dop853` in a user's own prange, the
parameters through the data pointer. Each at the loosest tolerance of a ladder of half decades at which 95 % of the
members have a true error below 1e-8 of the largest value (reference: DOP853 at 1e-13).
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from scipy.integrate import solve_ivp

import sigmode as sm

TARGET = 1e-8
LADDER = 10.0 ** -np.arange(4.0, 12.25, 0.5)
N, N_SCIPY, N_CHECKED, ROUNDS = 2000, 40, 40, 3


@numba.njit
def seir(t, y, beta):
    """An epidemic."""
    new = beta * y[0] * y[2]
    return -new, new - 0.2 * y[1], 0.2 * y[1] - 0.1 * y[2], 0.1 * y[2]


@numba.njit
def pendulum(t, y, w):
    """A pendulum."""
    return y[1], -w * np.sin(y[0])


@numba.njit
def lorenz(t, y, r):
    """Lorenz's system."""
    return 10.0 * (y[1] - y[0]), y[0] * (r - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]


CASES = {
    "SEIR [0, 100]": (seir, (0.0, 100.0), [0.99, 0.01, 0.0, 0.0], (0.3, 0.6)),
    "pendulum [0, 10]": (pendulum, (0.0, 10.0), [2.0, 0.0], (0.5, 2.0)),
    "Lorenz [0, 5]": (lorenz, (0.0, 5.0), [1.0, 1.0, 1.0], (20.0, 28.0)),
}

Run = Callable[[np.ndarray, float], np.ndarray]  # (parameters, rtol) -> (N, n) at the end


def ours(fun: Any, span: Any, y0: Any, workers: int, error_control: str) -> Run:
    """`solve_ensemble`."""

    def run(p: np.ndarray, rtol: float) -> np.ndarray:
        options = {"rtol": rtol, "atol": 1e-3 * rtol, "workers": workers, "error_control": error_control}
        return sm.solve_ensemble(fun, span, y0, args=(p,), **options).y[:, :, -1]

    return run


def scipy_loop(fun: Any, span: Any, y0: Any) -> Run:
    """LSODA in a loop."""

    def run(p: np.ndarray, rtol: float) -> np.ndarray:
        options = {"method": "LSODA", "rtol": rtol, "atol": 1e-3 * rtol, "t_eval": span[1:]}
        return np.array([solve_ivp(fun, span, y0, args=(value,), **options).y[:, -1] for value in p])

    return run


def with_numbalsoda(name: str, fun: Any, span: Any, y0: Any) -> Run:
    """The user's own prange."""
    import numbalsoda

    n, solve = len(y0), getattr(numbalsoda, name)
    start, ends = np.array(y0), np.array(span)

    @numba.cfunc(numbalsoda.lsoda_sig)
    def rhs(t, y, dy_dt, data):
        slopes = fun(t, y, numba.carray(data, (1,))[0])
        for k in range(n):
            dy_dt[k] = slopes[k]

    address = rhs.address

    @numba.njit(parallel=True)
    def many(p, rtol):
        found = np.empty((p.size, n))
        for i in numba.prange(p.size):
            own = np.empty(1)
            own[0] = p[i]
            values, success = solve(address, start, ends, own, rtol=rtol, atol=1e-3 * rtol)
            for k in range(n):
                found[i, k] = values[1, k] if success else np.nan
        return found

    many.keep = rhs
    return many


def measure(run: Run, p: np.ndarray, exact: np.ndarray) -> tuple[float, float, float]:
    """Microseconds per member at the tolerance that meets the target, that tolerance, and the 95th percentile there."""
    for rtol in LADDER:
        errors = abs(run(p[: len(exact)], rtol) - exact).max(axis=1) / abs(exact).max(axis=1)
        worst = float(np.quantile(errors, 0.95))
        if worst <= TARGET:
            times = []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                run(p, rtol)
                times.append(time.perf_counter() - start)
            return float(np.median(times)) / len(p) * 1e6, float(rtol), worst
    return np.nan, np.nan, np.nan


def main() -> None:
    """Print the table."""
    print("| problem | solver | threads | us per member | at rtol | error (95 %) | theirs / ours |")
    print("|---|---|--:|--:|--:|--:|--:|")
    threads = numba.get_num_threads()
    for name, (fun, span, y0, between) in CASES.items():
        p = np.random.default_rng(0).uniform(*between, N)
        exact = np.array(
            [
                solve_ivp(fun, span, y0, method="DOP853", args=(value,), rtol=1e-13, atol=1e-15).y[:, -1]
                for value in p[:N_CHECKED]
            ]
        )
        rows = {
            ("sigmode", threads): (ours(fun, span, y0, threads, "global"), p),
            ("sigmode", 1): (ours(fun, span, y0, 1, "global"), p),
            ("sigmode, local", threads): (ours(fun, span, y0, threads, "local"), p),
            ("SciPy LSODA, loop", 1): (scipy_loop(fun, span, y0), p[:N_SCIPY]),
        }
        if importlib.util.find_spec("numbalsoda"):
            for solver in ("lsoda", "dop853"):
                rows["numbalsoda " + solver, threads] = (with_numbalsoda(solver, fun, span, y0), p)
        own = None
        for (solver, used), (run, values) in rows.items():
            micro, rtol, worst = measure(run, values, exact)
            own = micro if own is None else own
            print(
                f"| {name} | {solver} | {used} | {micro:.0f} | {rtol:.0e} | {worst:.0e} | {micro / own:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
