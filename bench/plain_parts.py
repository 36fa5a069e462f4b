"""What two parts of a march with plain f save: secants for many equations, and the second march in one compiled call.

    python bench/plain_parts.py          # a minute

First the calls of f of `NeuralCollocation` with and without the secants of `ivp/secants.py`. Then the time of
`sm.solve_ivp`, in turns, with f that is called point by point, with the second march as it is and window by window.
"""

from __future__ import annotations

import statistics
import time
from unittest import mock

import numpy as np
from ivps import PROBLEMS
from scipy.integrate import solve_ivp

import sigmode as sm
from sigmode.ivp import error, window

ROUNDS = 15


def brusselator(t, w):
    """In one dimension, 20 points, both ends held."""
    u, v = np.concatenate([[1.0], w[:20], [1.0]]), np.concatenate([[3.0], w[20:], [3.0]])
    reaction = u[1:-1] ** 2 * v[1:-1]
    return np.concatenate(
        [1 + reaction - 4 * u[1:-1] + 8.82 * np.diff(u, 2), 3 * u[1:-1] - reaction + 8.82 * np.diff(v, 2)]
    )


def pleiades(t, y):
    """Seven stars in a plane."""
    dx, dy = y[None, :7] - y[:7, None], y[None, 7:14] - y[7:14, None]
    pull = np.arange(1.0, 8.0) / ((dx**2 + dy**2) ** 1.5 + np.eye(7))
    return np.concatenate([y[14:], (pull * dx).sum(axis=1), (pull * dy).sum(axis=1)])


def springs(t, y):
    """A chain of ten, neither linear nor even."""
    stretch = np.diff(y[:10], prepend=0.0, append=0.0)
    return np.concatenate([y[10:], np.diff(stretch + 0.5 * stretch**2 + 0.3 * stretch**3)])


STARS = [3, 3, -1, -3, 2, -2, 2, 3, -3, 2, 0, 0, -4, 4, 0, 0, 0, 0, 0, 1.75, -1.5, 0, 0, 0, -1.25, 1, 0, 0]
AT = np.arange(1, 21) / 21
MANY = {
    "HIRES": (PROBLEMS["HIRES"].fun, PROBLEMS["HIRES"].span, PROBLEMS["HIRES"].y0),
    "Brusselator": (brusselator, (0, 10), np.append(1 + np.sin(2 * np.pi * AT), np.full(20, 3.0))),
    "Pleiades": (pleiades, (0, 3), np.array(STARS, dtype=float)),
    "springs": (springs, (0, 40), np.append(2 * np.sin(np.pi * np.arange(1, 11) / 11), np.zeros(10))),
}
FEW = ("B1", "B5", "van der Pol 1", "Lotka-Volterra", "pendulum", "Kepler e=0.1", "Lorenz", "ROBER")


def secants():
    """Print the first table."""
    print("| calls of f | n | rtol | with secants | without | ratio |\n|---|--:|--:|--:|--:|--:|")
    for name, (fun, span, y0) in MANY.items():
        for rtol in (1e-6, 1e-9):
            solve = lambda: solve_ivp(fun, span, y0, method=sm.NeuralCollocation, rtol=rtol, atol=1e-2 * rtol)  # noqa: B023
            calls = [solve().nfev]
            with mock.patch.object(window.ManySystems, "_follows", return_value=False):
                calls.append(solve().nfev)
            print(
                f"| {name} | {len(y0)} | {rtol:g} | {calls[0]} | {calls[1]} | {calls[0] / calls[1]:.2f} |", flush=True
            )


def one_by_one(name):
    """f of a problem for one point at a time."""
    fun = PROBLEMS[name].fun

    def point(t, y):
        return fun(float(t), y).tolist()

    return point


def second_march():
    """Print the second table."""
    print("\n| time of `sm.solve_ivp`, ms | rtol | one call | window by window | ratio |\n|---|--:|--:|--:|--:|")
    ratios = []
    for name in FEW:
        fun, p = one_by_one(name), PROBLEMS[name]
        for rtol in (1e-4, 1e-6, 1e-8):
            times = [], []
            for turn in range(2 * ROUNDS + 2):
                kind = error.OneSystem if turn % 2 == 0 else type("NoWindow", (), {})
                with mock.patch.object(error, "OneSystem", kind):
                    start = time.perf_counter()
                    sm.solve_ivp(fun, p.span, p.y0, rtol=rtol, atol=1e-3 * rtol)
                    times[turn % 2].append(time.perf_counter() - start)
            one, many = (1e3 * statistics.median(each[1:]) for each in times)
            ratios.append(one / many)
            print(f"| {name} | {rtol:g} | {one:.1f} | {many:.1f} | {one / many:.2f} |", flush=True)
    print(f"\nMedian of {len(ratios)}: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    secants()
    second_march()
