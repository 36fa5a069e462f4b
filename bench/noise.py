"""f with few digits: calls of f and true errors, beside those of SciPy's RK45 with the same tolerances.

    python bench/noise.py        # half a minute

Errors are the largest ones at the times that a solver returns, in units of atol + rtol times the largest |y| of a
component, against DOP853 at 1e-12 with the f that has all its digits; atol is 1e-3 rtol.
"""

from __future__ import annotations

import math
import statistics
import warnings

import numpy as np
from ivps import PROBLEMS
from scipy.integrate import solve_ivp

import sigmode as sm

NAMES = ("forced", "van der Pol 1", "Lotka-Volterra", "pendulum")
TOLERANCES = 1e-4, 1e-6


def forced(t, y):
    """A decay towards a sine."""
    return -y + np.sin(t)


NOISE = {
    "all its digits": lambda f: f,
    "float32": lambda f: lambda t, y: np.asarray(f(t, y), dtype=np.float32),
    "float32 in a list": lambda f: lambda t, y: [float(np.float32(part)) for part in f(t, y)],
    "7 decimals": lambda f: lambda t, y: np.round(f(t, y), 7),
    "5 decimals": lambda f: lambda t, y: np.round(f(t, y), 5),
    "1e-8, irregular": lambda f: lambda t, y: f(t, y) * (1 + 1e-8 * np.sin(1e9 * t + 1e8 * np.sum(y, axis=0))),
}


def problem(name):
    """f, span, y0."""
    if name == "forced":
        return forced, (0, 10), (1.0,)
    return PROBLEMS[name].fun, PROBLEMS[name].span, PROBLEMS[name].y0


def main():
    """Print the table."""
    print("| f has | problem | rtol | RK45 | `NeuralCollocation` | `sm.solve_ivp` | its estimate |")
    print("|---|---|--:|--:|--:|--:|--:|")
    ratios = {}
    for kind, noisy in NOISE.items():
        for name in NAMES:
            fun, span, y0 = problem(name)
            exact = solve_ivp(fun, span, y0, method="DOP853", rtol=1e-12, atol=1e-14, dense_output=True).sol
            for rtol in TOLERANCES:
                tolerance = lambda y: 1e-3 * rtol + rtol * abs(y).max(axis=1, keepdims=True)  # noqa: B023
                off = lambda res: (abs(res.y - exact(res.t)) / tolerance(res.y)).max()  # noqa: B023
                given = noisy(fun), span, y0
                tolerances = {"rtol": rtol, "atol": 1e-3 * rtol}
                rk, ours = (solve_ivp(*given, method=m, **tolerances) for m in ("RK45", sm.NeuralCollocation))
                bounded = sm.solve_ivp(*given, **tolerances)
                calls = " | ".join(f"{res.nfev} ({off(res):.1g})" for res in (rk, ours, bounded))
                estimate = f"{(bounded.error / tolerance(bounded.y)).max():.1g}"
                said = estimate if bounded.success else f"{estimate}, refused"
                print(f"| {kind} | {name} | {rtol:g} | {calls} | {said} |", flush=True)
                ratios.setdefault(kind, []).append((ours.nfev / rk.nfev, bounded.nfev / rk.nfev))
    print("\nCalls, RK45 = 1, mean of the logarithms and most: `NeuralCollocation`, `sm.solve_ivp`")
    for kind, pairs in ratios.items():
        of_each = zip(*pairs, strict=True)
        print(
            f"{kind}: " + ", ".join(f"{math.exp(statistics.mean(map(math.log, r))):.2f} {max(r):.2f}" for r in of_each)
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
