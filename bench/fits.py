"""Fits from a good start, and from 20 starts that are far away: how many reach the best optimum, and in what time.

    python bench/fits.py     # two minutes

f compiled by Numba, all initial values unknown. Far: each parameter multiplied by a random factor between 1/5 and 5.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numba
import numpy as np

import sigmode as sm

HARE = (
    30, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22, 25.4, 27.1, 40.3, 57, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2,
    24.7,
)  # fmt: skip
LYNX = (4, 6.1, 9.8, 35.2, 59.4, 41.7, 19, 13, 8.3, 9.1, 7.4, 8, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6)
STARTS, AWAY, SAME = 20, 5.0, 1e-4


@numba.njit
def predator(t: float, y: Any, a: float, b: float, c: float, d: float) -> Any:
    """Predators and prey."""
    return a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]


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
    found["hare and lynx"] = predator, np.arange(21.0), np.array([HARE, LYNX]), (0.5, 0.03, 0.8, 0.025)
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


def main() -> None:
    """Print the table."""
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


if __name__ == "__main__":
    main()
