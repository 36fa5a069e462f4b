"""Fits: published problems beside SciPy's; good starts and far starts; how often 95 % intervals hold the truth.

    python bench/fits.py               # three minutes
    python bench/fits.py published     # or "far", "coverage": one of the three

f compiled by Numba. Published: `scipy.optimize.least_squares` around `solve_ivp` with LSODA at rtol 1e-8 calls the same
f from the same start; medians of five runs each, in turn. Far: all initial values unknown, each parameter multiplied by
a random factor between 1/5 and 5. Coverage: 500 noisy sets of a decay, and of predators and prey.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numba
import numpy as np
from fit_problems import PROBLEMS, Problem, predator
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

import sigmode as sm

STARTS, AWAY, SAME, RUNS, SETS = 20, 5.0, 1e-4, 5, 500


@numba.njit
def fitzhugh(t: float, y: Any, a: float, b: float, c: float) -> Any:
    """A neuron."""
    return c * (y[0] - y[0] ** 3 / 3.0 + y[1]), -(y[0] - a + b * y[1]) / c


@numba.njit
def lorenz(t: float, y: Any, s: float, r: float, b: float) -> Any:
    """Lorenz's system."""
    return s * (y[1] - y[0]), y[0] * (r - y[2]) - y[1], y[0] * y[1] - b * y[2]


def cases() -> dict[str, tuple[Any, Any, Any, Any]]:
    """Name : f, t, data, parameters near the optimum."""
    rng = np.random.default_rng(1)

    def exact(fun: Any, t: Any, y0: Any, p: Any) -> Any:
        return sm.solve_ivp(fun, (t[0], t[-1]), y0, args=p, t_eval=t, rtol=1e-9, atol=1e-9).y

    found: dict[str, tuple[Any, Any, Any, Any]] = {}
    hare_lynx = PROBLEMS["hare and lynx"]
    found["hare and lynx"] = predator, hare_lynx.t, hare_lynx.y, hare_lynx.p0
    t, p = np.arange(0, 20.1, 0.5), (0.2, 0.2, 3.0)
    y = exact(fitzhugh, t, [-1.0, 1.0], p)
    found["FitzHugh-Nagumo, noise 0.05"] = fitzhugh, t, y + 0.05 * rng.standard_normal(y.shape), p
    t, p = np.linspace(0, 8, 81), (10.0, 28.0, 8.0 / 3.0)
    y = exact(lorenz, t, [1.0, 1.0, 1.0], p)
    found["Lorenz on [0, 8], noise 0.5"] = lorenz, t, y + 0.5 * rng.standard_normal(y.shape), p
    t, q = np.linspace(0, 20, 41), (1.0, 0.1, 1.5, 0.075)
    y = exact(predator, t, [10.0, 5.0], q)
    found["predators and prey, noise 5 %"] = predator, t, y * np.exp(0.05 * rng.standard_normal(y.shape)), q
    return found


def timed(fun: Any, t: Any, y: Any, p0: Any) -> tuple[float, Any]:
    """Seconds and the result."""
    start = time.perf_counter()
    res = sm.fit_ivp(fun, t, y, p0, np.full(len(y), np.nan))
    return time.perf_counter() - start, res


def by_scipy(problem: Problem) -> Any:
    """The same fit by `least_squares` around LSODA, differences of which are its derivatives."""
    k, options = len(problem.p0), problem.options
    measured = ~np.isnan(np.atleast_2d(problem.y))
    times, column = np.unique(problem.t, return_inverse=True)
    free = [] if callable(problem.y0) else np.flatnonzero(np.isnan(problem.y0)).tolist()
    observe = options.get("observe", slice(None))
    data = np.atleast_2d(problem.y)[measured]
    t0 = options.get("t0", times[0])

    def residual(q: Any) -> Any:
        p = tuple(q[:k])
        y0 = np.array(problem.y0(*p) if callable(problem.y0) else problem.y0, dtype=float)
        y0[free] = q[k:]
        with np.errstate(all="ignore"):
            res = solve_ivp(
                problem.fun, (t0, times[-1]), y0, args=p, method="LSODA", t_eval=times, rtol=1e-8, atol=1e-10
            )
        if res.t.size < times.size:
            return np.full(data.size, 1e10)
        seen = observe(res.t, res.y, *p) if callable(observe) else res.y[observe]
        return np.atleast_2d(seen)[:, column][measured] - data

    start = [*problem.p0, *(np.atleast_2d(problem.y)[i, 0] for i in free)]
    low = 0.0 if "bounds" in options else -np.inf
    return least_squares(residual, start, bounds=(low, np.inf), x_scale="jac")


def published() -> None:
    """Print the table of the published problems."""
    print("| | sum of squares | published | ms | SciPy's sum | ms | times as fast |\n|---|--:|--:|--:|--:|--:|--:|")
    for name, problem in PROBLEMS.items():
        fit = lambda problem=problem: sm.fit_ivp(
            problem.fun, problem.t, problem.y, problem.p0, problem.y0, **problem.options
        )
        spent: list[list[float]] = [[], []]
        for run in range(RUNS + 1):  # compiled by the first one
            results: list[Any] = []
            for seconds, solve in zip(spent, (fit, lambda problem=problem: by_scipy(problem)), strict=True):
                start = time.perf_counter()
                results.append(solve())
                seconds += [time.perf_counter() - start] * (run > 0)
        own, other = (1e3 * statistics.median(seconds) for seconds in spent)
        said = "" if problem.ssr is None else f"{problem.ssr:.6g}"
        print(
            f"| {name} | {results[0].ssr:.8g} | {said} | {own:.1f} | {2 * results[1].cost:.8g} | {other:.0f} | "
            f"{other / own:.0f} |",
            flush=True,
        )


def far() -> None:
    """Print the table of good starts and far starts."""
    print("| | good start, ms | far starts that reach the optimum | seconds, median | longest |\n|---|--:|--:|--:|--:|")
    for name, (fun, t, y, near) in cases().items():
        timed(fun, t, y, near)  # compiled by now
        good, best = timed(fun, t, y, near)
        reached, seconds = 0, []
        for seed in range(STARTS):
            factors = AWAY ** np.random.default_rng(seed).uniform(-1.0, 1.0, len(near))
            spent, res = timed(fun, t, y, np.array(near) * factors)
            seconds.append(spent)
            reached += bool(res.ssr <= best.ssr * (1.0 + SAME))
        median = statistics.median(seconds)
        print(f"| {name} | {1e3 * good:.0f} | {reached} of {STARTS} | {median:.2f} | {max(seconds):.2f} |", flush=True)


@numba.njit
def decay(t: float, y: Any, k: float) -> Any:
    """Exponential decay."""
    return (-k * y[0],)


def coverage() -> None:
    """Print how often 95 % intervals hold each of the true numbers."""
    truths: list[tuple[str, Any, Any, Any, Any, float]] = [
        ("decay", decay, np.linspace(0.3, 4.0, 10), (0.8,), [3.0], 0.1),
        ("predators and prey", predator, np.linspace(0.5, 20.0, 40), (1.0, 0.1, 1.5, 0.075), [10.0, 5.0], 1.0),
    ]
    print("| | parts of 500 intervals that hold the truth |\n|---|---|")
    for name, fun, t, p, y0, noise in truths:
        exact = sm.solve_ivp(fun, (0.0, t[-1]), y0, args=p, t_eval=t, rtol=1e-10, atol=1e-10).y
        inside = np.zeros(len(p) + len(y0))
        for seed in range(SETS):
            y = exact + noise * np.random.default_rng(seed).standard_normal(exact.shape)
            low, high = sm.fit_ivp(fun, t, y, p, [np.nan] * len(y0), t0=0.0).confint().T
            inside += (low <= [*p, *y0]) & (high >= [*p, *y0])
        print(f"| {name} | {', '.join(f'{part:.3f}' for part in inside / SETS)} |", flush=True)


def main() -> None:
    """Print the tables that are asked for."""
    tables = {"published": published, "far": far, "coverage": coverage}
    for name in sys.argv[1:] or tables:
        tables[name]()
        print()


if __name__ == "__main__":
    main()
