"""Calls of f for input with kinks and jumps, and the error at the end in tolerances: LSODA, ours, ours with `breaks`.

LSODA is there twice: with the tolerance that is typed, and with the loosest one, of ten in a decade, whose error is no
larger than that of `sm.solve_ivp`.

python bench/kinks.py           # half a minute
python bench/kinks.py pulses    # how often a short pulse in the midst of held input is missed, half a minute
"""

import math
import sys

import numpy as np
from scipy.integrate import solve_ivp

import sigmode as sm

EVEN = np.linspace(0.0, 10.0, 101)
UNEVEN = np.sort(np.append([0.0, 10.0], np.random.default_rng(3).uniform(0.0, 10.0, 99)))
TABLE = 0.3 * np.cumsum(np.random.default_rng(0).normal(size=101))


def interpolated(times):
    """Input that is read from a table: a kink at each of its points."""
    return lambda t, y: [-y[0] + np.interp(t, times, TABLE)]


def held(times):
    """Input that is held between the points: a jump at each."""
    return lambda t, y: [-y[0] + TABLE[np.searchsorted(times, t, side="right") - 1]]


def exact(times, steps):
    """y(10) for y(0) = 0, interval by interval."""
    y = 0.0
    for h, a, b in zip(np.diff(times), TABLE[:-1], TABLE[1:], strict=True):
        slope = 0.0 if steps else (b - a) / h
        y = (y - a + slope) * math.exp(-h) + a + slope * (h - 1.0)
    return y


INPUTS = {
    f"{name}, {points} distances": (make(times), times, exact(times, make is held))
    for points, times in (("even", EVEN), ("uneven", UNEVEN))
    for name, make in (("interpolated", interpolated), ("held", held))
}
SOLVERS = {
    "LSODA": lambda f, times, **kw: solve_ivp(f, (0, 10), [0.0], method="LSODA", **kw),
    "NeuralCollocation": lambda f, times, **kw: solve_ivp(f, (0, 10), [0.0], method=sm.NeuralCollocation, **kw),
    "sm.solve_ivp": lambda f, times, **kw: sm.solve_ivp(f, (0, 10), [0.0], **kw),
    "NeuralCollocation, breaks": lambda f, times, **kw: solve_ivp(
        f, (0, 10), [0.0], method=sm.NeuralCollocation, breaks=times, **kw
    ),
}


def solved(solver, name, rtol, of=None):
    """Calls of f per point of the table, and the error at the end in tolerances of rtol `of`."""
    f, times, end = INPUTS[name]
    calls = [0]

    def counted(t, y):
        calls[0] += 1
        return f(t, y)

    res = SOLVERS[solver](counted, times, rtol=rtol, atol=1e-3 * rtol)
    assert res.success, res.message
    return calls[0] / 100, abs(res.y[0, -1] - end) / ((of or rtol) * (1e-3 + abs(end)))


def as_good(name, rtol, error):
    """The calls of LSODA at the loosest tolerance whose error is not larger, or those at the tightest."""
    for tenths in range(121):
        calls, reached = solved("LSODA", name, max(rtol * 10 ** (-0.1 * tenths), 1e-13), of=rtol)
        if reached <= error:
            return f"{calls:.0f}"
    return f"more than {calls:.0f}"


def missed(width, seed, rtol):
    """Whether a solution with success misses a pulse of height 1 in input that is held for 1 at a time."""
    rng = np.random.default_rng(seed)
    begins = rng.uniform(12.0, 25.0)
    times = np.sort(np.append(np.arange(1.0, 30.0), [begins, begins + width]))
    middles = 0.5 * (np.append(0.0, times) + np.append(times, 30.0))
    values = rng.normal(size=30)[middles.astype(int)] + ((begins < middles) & (middles < begins + width))
    res = sm.solve_ivp(
        lambda t, y: -y + values[np.searchsorted(times, t, side="right")], (0, 30), [0.5], rtol=rtol, atol=rtol
    )
    y, worst = 0.5, 0.0
    for start, end, value in zip(np.append(0.0, times), np.append(times, 30.0), values, strict=True):
        y = (y - value) * math.exp(start - end) + value
        worst = max(worst, abs(res.sol(end)[0] - y) / (rtol + rtol * abs(y)))
    return res.success and worst > 3.0


def pulses():
    """Print one table."""
    print("| length of the pulse | missed at 1e-4 | at 1e-8 |\n|--:|--:|--:|")
    for width in (0.01, 0.03, 0.06, 0.1):
        counts = [sum(missed(width, seed, rtol) for seed in range(50)) for rtol in (1e-4, 1e-8)]
        print(f"| {width:g} | {counts[0]} of 50 | {counts[1]} of 50 |", flush=True)


def main():
    """Print one table."""
    solvers = list(SOLVERS)
    print(f"| input | rtol | {' | '.join(solvers)} | LSODA, as good as sm.solve_ivp |\n|---|--:|{'--:|' * 5}")
    for name in INPUTS:
        for rtol in (1e-3, 1e-6):
            rows = [solved(solver, name, rtol) for solver in solvers]
            cells = [f"{calls:.0f} ({error:.1g})" for calls, error in rows]
            print(f"| {name} | {rtol:g} | {' | '.join(cells)} | {as_good(name, rtol, rows[2][1])} |", flush=True)


if __name__ == "__main__":
    pulses() if sys.argv[1:] == ["pulses"] else main()
