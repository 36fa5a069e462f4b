"""Calls of f for input with kinks and jumps, and the error at the end in tolerances: LSODA, ours, ours with `breaks`.

LSODA is there twice: with the tolerance that is typed, and with the loosest one, of ten in a decade, whose error is no
larger than that of `sm.solve_ivp`.

python bench/kinks.py           # half a minute
python bench/kinks.py pulses    # how often a short pulse in the midst of held input is missed, half a minute
python bench/kinks.py switches  # jumps that hang on y: calls of f, errors, and the estimate, half a minute
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


def friction(t, y):
    """A mass on a spring, pushed, on a rough floor: f jumps with the sign of its speed."""
    return [y[1], 5.0 * math.sin(2.0 * t) - y[0] - (0.4 if y[1] > 0.0 else -0.4)]


def switched(t, y):
    """A source that an oscillator switches on, beyond a threshold."""
    return [y[1], -y[0], (10.0 if y[0] > 0.9 else 0.0) - 0.1 * y[2]]


def stick_to_stick():
    """What friction leads to at t = 12, from jump to jump."""
    t, y, sign = 0.0, [0.5, 0.7], 1.0
    turns = lambda t, y, sign: y[1]
    turns.terminal = True
    while t < 12.0:
        turns.direction = -sign
        part = solve_ivp(
            lambda t, y, sign: [y[1], 5.0 * math.sin(2.0 * t) - y[0] - 0.4 * sign], (t, 12.0), y, method="DOP853",
            args=(sign,), events=turns, rtol=1e-13, atol=1e-14, max_step=0.05,
        )  # fmt: skip
        t, y, sign = part.t[-1], part.y[:, -1], -sign
    return y[0]


def charge():
    """What has come from the source that is switched on six times, at t = 36."""
    up = math.asin(0.9)
    begins = 2.0 * math.pi * np.arange(6) + up
    ends = begins + math.pi - 2.0 * up
    return 0.5 * math.exp(-3.6) + 100.0 * float((np.exp(0.1 * (ends - 36.0)) - np.exp(0.1 * (begins - 36.0))).sum())


def switches():
    """Print one table: calls of f, the error at the end in tolerances, and the estimate.

    (DOP853, because LSODA does not come back from the friction at rtol = 2.5e-9.)
    """
    print("| f jumps | rtol | LSODA | NeuralCollocation | sm.solve_ivp | its estimate | DOP853, as good |")
    print(f"|---|--:|{'--:|' * 5}")
    problems = {
        "friction": (friction, 12.0, [0.5, 0.7], 0, stick_to_stick()),
        "a switched source": (switched, 36.0, [0.0, 1.0, 0.5], 2, charge()),
    }
    for name, (fun, end, y0, component, exact) in problems.items():
        for rtol in (1e-3, 1e-6, 1e-9):
            unit = rtol * (1e-3 + abs(exact))
            kw = {"rtol": rtol, "atol": 1e-3 * rtol}
            error = lambda res, unit=unit, c=component, exact=exact: abs(res.y[c, -1] - exact) / unit
            results = [solve_ivp(fun, (0, end), y0, method=m, **kw) for m in ("LSODA", sm.NeuralCollocation)]
            results.append(sm.solve_ivp(fun, (0, end), y0, **kw))
            assert all(res.success for res in results)
            cells = [f"{res.nfev} ({error(res):.1g})" for res in results]
            estimate = results[2].error[component, -1] / unit
            for tenths in range(121):  # or until it has cost ten times as much
                tight = max(rtol * 10 ** (-0.1 * tenths), 1e-13)
                res = solve_ivp(fun, (0, end), y0, method="DOP853", rtol=tight, atol=1e-3 * tight)
                if error(res) <= error(results[2]) or res.nfev > 10 * results[2].nfev:
                    break
            best = f"{res.nfev}" if error(res) <= error(results[2]) else f"more than {res.nfev}"
            print(f"| {name} | {rtol:g} | {' | '.join(cells)} | {estimate:.1g} | {best} |", flush=True)


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
    {"pulses": pulses, "switches": switches}.get("".join(sys.argv[1:]), main)()
