"""What a bound costs: `sigmode.solve_ivp` with plain f against the cheapest of SciPy's solvers that happens to meet it.

    python bench/bounded.py                # about four minutes
    python bench/bounded.py A3 Lorenz      # some problems only

Ours is one call at the tolerance that a user types, its bound on the global error included. Beside it is its largest
true error over `rtol |y| + atol` on the problem's grid (|y| : the largest value so far; `atol = 1e-3 rtol`).
SciPy's solvers do not know their error: each gets the loosest tolerance of a ladder of half decades with which it is
below the same bound, and the cheapest of them counts. Only times of solves without output between the steps.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ivps import PROBLEMS, reference
from scipy.integrate import solve_ivp

import sigmode as sm

METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
TOLERANCES = (1e-4, 1e-6, 1e-8)
LADDER = 10.0 ** -np.arange(2.0, 12.6, 0.5)
ROUNDS, SLOW = 7, 1.0


def ratio(name: str, y: Any, rtol: float) -> float:
    """The largest error in units of the bound."""
    exact = reference(name)
    return float((abs(y - exact) / (rtol * (np.maximum.accumulate(abs(exact), axis=1) + 1e-3))).max())


def loosest(name: str, method: str, rtol: float) -> Callable[[], Any] | None:
    """A solve by one of SciPy's methods whose true error meets the bound."""
    p = PROBLEMS[name]
    options = {} if p.jac is None or method in ("RK23", "RK45", "DOP853") else {"jac": p.jac}
    for tol in LADDER[100.0 * rtol >= LADDER]:
        options |= {"method": method, "rtol": tol, "atol": 1e-3 * tol}
        start = time.perf_counter()
        res = solve_ivp(p.fun, p.span, p.y0, t_eval=p.grid, **options)
        if res.success and ratio(name, res.y, rtol) <= 1.0:
            return lambda: solve_ivp(p.fun, p.span, p.y0, **options)
        if time.perf_counter() - start > SLOW:
            return None
    return None


def medians(runs: dict[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds of each, in turns."""
    times: dict[str, list[float]] = {label: [] for label in runs}
    for _ in range(rounds):
        for label, run in runs.items():
            start = time.perf_counter()
            run()
            times[label].append(time.perf_counter() - start)
    return {label: statistics.median(each) for label, each in times.items()}


def row(name: str, rtol: float) -> float | None:
    """Print one row; the time of the cheapest over ours, None where ours refuses."""
    p = PROBLEMS[name]
    ours = lambda: sm.solve_ivp(p.fun, p.span, p.y0, rtol=rtol, atol=1e-3 * rtol, **({"jac": p.jac} if p.jac else {}))
    res = ours()
    methods = [method for method in METHODS if not (p.stiff and method in ("RK23", "RK45", "DOP853"))]
    found = {method: loosest(name, method, rtol) for method in methods}
    runs = {method: run for method, run in found.items() if run is not None}
    times = medians({"ours": ours, **runs})
    own = times.pop("ours")
    cheapest = min(times, key=times.__getitem__) if times else None
    relative = times[cheapest] / own if cheapest else np.inf
    reached = f"{ratio(name, res.sol(p.grid), rtol):.1g}" if res.success else "refused"
    print(f"| {name} | {1e3 * own:.2f} ms | {reached} | {cheapest or 'none'} | {relative:.2f} |", flush=True)
    return relative if res.success else None


def main() -> None:
    names = sys.argv[1:] or list(PROBLEMS)
    for rtol in TOLERANCES:
        print(f"\nrtol = {rtol:.0e}\n\n| problem | ours | true error / bound | cheapest of SciPy's | its time / ours |")
        print("|---|--:|--:|---|--:|")
        found = [value for name in names if (value := row(name, rtol)) is not None]
        print(f"| **median of {len(found)}** | | | | {statistics.median(found):.2f} |")


if __name__ == "__main__":
    main()
