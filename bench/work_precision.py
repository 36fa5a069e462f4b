"""Work-precision diagrams: time against true error for every problem, and the medians of the ratios.

    python bench/work_precision.py            # about eight minutes; writes docs/work_precision.png, prints the tables
    python bench/work_precision.py --quick    # four problems, no picture

Times are medians of interleaved runs. At a target error the time is read off the curve, logarithmically between the
two tolerances around it.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from ivps import PROBLEMS, compiled, error, solver
from scipy.integrate import solve_ivp

import sigmode as sm

QUICK = ("A3", "Lotka-Volterra", "van der Pol 1000", "HIRES")
SCIPY = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
LADDER = 10.0 ** -np.arange(3.0, 12.5, 1.0)
TARGETS = (1e-6, 1e-8, 1e-9)
SLOW = 1.0  # seconds: tighter tolerances are left out
ROUNDS = 3

Curve = list[tuple[float, float]]


def vectorized(name: str, tol: float) -> Callable[[], object]:
    """f for y (n, k): where it also takes t (k,), a window is one call."""
    p = PROBLEMS[name]
    options = {"t_eval": p.grid, "rtol": tol, "atol": 1e-3 * tol, "vectorized": True}
    return lambda: solve_ivp(VECTORIZED[name], p.span, p.y0, method=sm.NeuralCollocation, **options)


def numbalsoda(name: str, tol: float) -> Callable[[], object]:
    """LSODA called from compiled code for the whole span (the package numbalsoda, where it is installed)."""
    import numba
    from numbalsoda import lsoda, lsoda_sig

    p, fun = PROBLEMS[name], compiled(name)[0]
    n, y0 = len(p.y0), np.array(p.y0, dtype=float)

    @numba.cfunc(lsoda_sig)
    def rhs(t, y, dy_dt, data):
        slope = fun(t, numba.carray(y, (n,)))
        for k in range(n):
            dy_dt[k] = slope[k]

    def run() -> object:
        y, success = lsoda(rhs.address, y0, p.grid, rtol=tol, atol=1e-3 * tol)
        return SimpleNamespace(y=y.T, success=success)

    return run


# f of a few problems for arrays of t and y; math.sin does not take them.
VECTORIZED = {
    "A3": lambda t, y: y * np.cos(t),
    "B1": lambda t, y: np.array([2 * (y[0] - y[0] * y[1]), -y[1] + y[0] * y[1]]),
    "van der Pol 1": PROBLEMS["van der Pol 1"].fun,
    "Lotka-Volterra": PROBLEMS["Lotka-Volterra"].fun,
    "Lorenz": PROBLEMS["Lorenz"].fun,
    "HIRES": PROBLEMS["HIRES"].fun,
}


def entries(name: str) -> dict[str, Callable[[float], Callable[[], object]]]:
    """What is compared on a problem, by label."""
    found = {"ours": lambda tol: solver(name, sm.NeuralCollocation, tol)}
    found["ours, compiled f"] = lambda tol: solver(name, sm.NeuralCollocation, tol, True)
    if name in VECTORIZED:
        found["ours, vectorized f"] = lambda tol: vectorized(name, tol)
    if importlib.util.find_spec("numbalsoda"):
        found["numbalsoda, compiled f"] = lambda tol: numbalsoda(name, tol)
    for method in SCIPY:
        if PROBLEMS[name].stiff and method in ("RK23", "RK45", "DOP853"):
            continue
        found[method] = lambda tol, method=method: solver(name, method, tol)
        if method in ("LSODA", "DOP853"):
            found[f"{method}, compiled f"] = lambda tol, method=method: solver(name, method, tol, True)
    return found


def curves(name: str) -> dict[str, Curve]:
    """(error, seconds) for falling tolerances; all entries take turns at each tolerance."""
    found: dict[str, Curve] = {label: [] for label in entries(name)}
    late = set()
    for tol in LADDER:
        runs = {label: make(tol) for label, make in entries(name).items() if label not in late}
        results = {label: run() for label, run in runs.items()}
        times: dict[str, list[float]] = {label: [] for label in runs}
        for _ in range(ROUNDS):
            for label, run in runs.items():
                if times[label] and times[label][-1] > SLOW / 4:
                    continue
                start = time.perf_counter()
                run()
                times[label].append(time.perf_counter() - start)
        for label, res in results.items():
            seconds = statistics.median(times[label])
            if res.success:
                found[label].append((error(name, res.y), seconds))
            if seconds > SLOW:
                late.add(label)
    return found


def time_at(curve: Curve, target: float) -> float:
    """The least time for an error of at most the target; infinite where it is not reached."""
    best = min((seconds for reached, seconds in curve if reached <= target), default=np.inf)
    for (e0, t0), (e1, t1) in itertools.pairwise(curve):
        if e0 > target >= e1 > 0.0:
            weight = np.log(e0 / target) / np.log(e0 / e1)
            best = min(best, float(np.exp((1 - weight) * np.log(t0) + weight * np.log(t1))))
    return best


def tables(found: dict[str, dict[str, Curve]]) -> None:
    """Ratios of their time to ours at equal true error, per problem and as medians."""
    for kind, others in (("", SCIPY), (", compiled f", ("LSODA", "DOP853", "numbalsoda"))):
        others = tuple(other for other in others if any(other + kind in of for of in found.values()))
        for target in TARGETS:
            print(f"\nSeconds of theirs over ours, {'compiled' if kind else 'plain'} f, error {target:.0e}\n")
            print("| problem | ours | " + " | ".join(others) + " |\n|---|--:|" + "--:|" * len(others))
            ratios: dict[str, list[float]] = {other: [] for other in others}
            for name, of in found.items():
                own = time_at(of["ours" + kind], target)
                row = [time_at(of.get(other + kind, []), target) / own for other in others]
                for other, ratio in zip(others, row, strict=True):
                    if other + kind in of:
                        ratios[other].append(ratio)
                print(f"| {name} | {1e3 * own:.2f} ms | " + " | ".join(map(cell, row)) + " |")
            print("| **median** | | " + " | ".join(cell(float(np.median(r))) for r in ratios.values()) + " |")
            print("| least | | " + " | ".join(cell(min(r)) for r in ratios.values()) + " |")
            if not kind:
                pairs = zip(ratios["LSODA"], [*ratios["DOP853"]] + [np.inf] * len(found), strict=False)
                print(f"\nMedian against the faster one of LSODA and DOP853: {np.median([min(p) for p in pairs]):.2f}")
    print("\nOur time with a vectorized f over that with a plain one, error 1e-8:")
    for name, of in found.items():
        if "ours, vectorized f" in of:
            print(f"  {name}: {time_at(of['ours, vectorized f'], 1e-8) / time_at(of['ours'], 1e-8):.2f}")


def cell(ratio: float) -> str:
    """A ratio; a dash where the other one does not reach the error, or is not made for the problem."""
    return f"{ratio:.2f}" if np.isfinite(ratio) else "-"


def picture(found: dict[str, dict[str, Curve]], path: Path) -> None:
    """A panel for each problem."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = 4
    rows = -(-len(found) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4 * columns, 3 * rows), constrained_layout=True)
    for axis, (name, of) in zip(axes.flat, found.items(), strict=False):
        for k, (label, curve) in enumerate(of.items()):
            if curve:
                style = {"lw": 2.5, "color": "k"} if label == "ours" else {"lw": 1.2, "color": f"C{k}"}
                if label.startswith("ours,"):
                    style = {"lw": 2.5, "color": "0.5", "ls": "--" if "compiled" in label else ":"}
                axis.loglog(*zip(*curve, strict=True), marker=".", label=label, **style)
        axis.set_title(name, fontsize=9)
        axis.set_xlim(1e-2, 1e-13)
    for axis in axes.flat[len(found) :]:
        axis.axis("off")
    axes.flat[0].legend(fontsize=6)
    figure.supxlabel("largest error")
    figure.supylabel("seconds")
    figure.savefig(path, dpi=70)


def main() -> None:
    """Run all, print the tables, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="four problems, no picture")
    quick = parser.parse_args().quick
    found = {}
    for name in QUICK if quick else PROBLEMS:
        found[name] = curves(name)
        print(".", end="", flush=True)
    print()
    tables(found)
    if not quick:
        picture(found, Path(__file__).parents[1] / "docs" / "work_precision.png")


if __name__ == "__main__":
    main()
