"""Calls of f for input with kinks and jumps, and the error at the end in tolerances: LSODA, ours, ours with `breaks`.

python bench/kinks.py    # some seconds
"""

import itertools
import math

import numpy as np
from scipy.integrate import solve_ivp

import sigmode as sm

GRID = np.linspace(0.0, 10.0, 101)
TABLE = 0.3 * np.cumsum(np.random.default_rng(0).normal(size=101))


def interpolated(t, y):
    """Input that is read from a table: a kink at each of its points."""
    return [-y[0] + np.interp(t, GRID, TABLE)]


def held(t, y):
    """Input that is held between the points: a jump at each."""
    return [-y[0] + TABLE[np.searchsorted(GRID, t, side="right") - 1]]


def exact(steps):
    """y(10) for y(0) = 0, interval by interval."""
    y, h = 0.0, 0.1
    for a, b in itertools.pairwise(TABLE):
        slope = 0.0 if steps else (b - a) / h
        y = (y - a + slope) * math.exp(-h) + a + slope * (h - 1.0)
    return y


SOLVERS = {
    "LSODA": lambda f, **kw: solve_ivp(f, (0, 10), [0.0], method="LSODA", **kw),
    "NeuralCollocation": lambda f, **kw: solve_ivp(f, (0, 10), [0.0], method=sm.NeuralCollocation, **kw),
    "sm.solve_ivp": lambda f, **kw: sm.solve_ivp(f, (0, 10), [0.0], **kw),
    "NeuralCollocation, breaks": lambda f, **kw: solve_ivp(
        f, (0, 10), [0.0], method=sm.NeuralCollocation, breaks=GRID, **kw
    ),
}


def main():
    """Print one table."""
    print("| input | rtol | solver | calls of f per point of the table | error in tolerances |\n|---|--:|---|--:|--:|")
    for f, steps in ((interpolated, False), (held, True)):
        for rtol in (1e-3, 1e-6):
            atol = 1e-3 * rtol
            for name, solve in SOLVERS.items():
                calls = [0]

                def counted(t, y, f=f, calls=calls):
                    calls[0] += 1
                    return f(t, y)

                res = solve(counted, rtol=rtol, atol=atol)
                error = abs(res.y[0, -1] - exact(steps)) / (atol + rtol * abs(exact(steps)))
                said = f"{error:.1g}" if res.success else res.message
                print(f"| {f.__name__} | {rtol:g} | {name} | {calls[0] / 100:.0f} | {said} |")


if __name__ == "__main__":
    main()
