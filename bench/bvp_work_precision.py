"""`sm.solve_bvp` against SciPy's: time and true error for every problem, with the same tolerance and at equal error.

    python bench/bvp_work_precision.py            # about two minutes; prints the tables, writes docs/bvp_*.png
    python bench/bvp_work_precision.py --quick    # 1e-6 and 1e-9 only, no pictures

Times are medians of bursts that take turns. SciPy may use 100000 nodes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import bvps
import numpy as np
from scipy.integrate import solve_bvp

import sigmode as sm

LAYERS = [family(eps) for family in (bvps.t1, bvps.t2, bvps.t6) for eps in (1e-4, 1e-5, 1e-6)]
LADDER = 10.0 ** -np.arange(2.0, 12.5, 1.0)
DRAWN = ("T1 0.01", "T2 0.001", "T3 0.1", "T5 0.001", "T6 0.001", "T20 0.1", "Bratu upper", "Sturm-Liouville")
NODES = 100_000
SLOW = 0.5  # seconds: not repeated, and tighter tolerances are left out
TURNS, RUNS = 5, 3


class Run(NamedTuple):
    """Median seconds, true error of the first component, and the result."""

    seconds: float
    error: float
    res: Any


def once(problem: bvps.Problem, tol: float, ours: bool) -> Any:
    solver, options = (sm.solve_bvp, {}) if ours else (solve_bvp, {"max_nodes": NODES})
    with np.errstate(all="ignore"):
        return solver(problem.fun, problem.bc, problem.x, problem.y, p=problem.p, tol=tol, **options)


def both(problem: bvps.Problem, tol: float, wanted: tuple[bool, ...] = (True, False)) -> dict[bool, Run]:
    """Ours (True) and SciPy's (False), in turns."""
    results, times = {}, {ours: [] for ours in wanted}
    for _ in range(TURNS):
        for ours in wanted:
            if times[ours] and times[ours][-1] > SLOW / TURNS:
                continue
            for run in range(RUNS):
                start = time.perf_counter()
                results[ours] = once(problem, tol, ours)
                if run or times[ours] == [] or RUNS == 1:
                    times[ours].append(time.perf_counter() - start)
    with np.errstate(all="ignore"):
        return {
            ours: Run(statistics.median(times[ours]), bvps.error(problem, res.sol), res)
            for ours, res in results.items()
        }


def table(problems: list[bvps.Problem], tol: float) -> None:
    print(f"\ntol = {tol:g}\n")
    print("| problem | ours | SciPy | SciPy / ours | our error | our estimate | SciPy's error | windows | nodes |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    ratios = []
    for problem in problems:
        runs = both(problem, tol)
        ours, theirs = runs[True], runs[False]
        solved = theirs.res.success
        if solved:
            ratios.append(theirs.seconds / ours.seconds)
        print(
            f"| {problem.name} | {1e3 * ours.seconds:.2f} ms | {1e3 * theirs.seconds:.2f} ms | "
            f"{f'{ratios[-1]:.1f}' if solved else f'status {theirs.res.status}'} | "
            f"{ours.error:.0e} | {ours.res.error[0]:.0e} | {f'{theirs.error:.0e}' if solved else '-'} | "
            f"{len(ours.res.sol.x) - 1} | {theirs.res.x.size} |" + ("" if ours.res.success else f" {ours.res.message}")
        )
    print(f"\nMedian of the ratios: {np.median(ratios):.1f}, least {min(ratios):.1f}, over {len(ratios)} problems.")


def curves(problem: bvps.Problem) -> dict[bool, list[tuple[float, float]]]:
    found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    wanted: tuple[bool, ...] = (True, False)
    for tol in LADDER:
        for ours, run in both(problem, tol, wanted).items():
            if run.res.success:
                found[ours].append((max(run.error, 1e-16), run.seconds))
            if run.seconds > SLOW or not run.res.success:
                wanted = tuple(which for which in wanted if which is not ours)
        if not wanted:
            break
    return found


def pictures(folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    by_name = {problem.name: problem for problem in bvps.problems()}
    figure, axes = plt.subplots(2, 4, figsize=(15, 6.5), constrained_layout=True)
    for axis, name in zip(axes.flat, DRAWN, strict=True):
        for ours, curve in curves(by_name[name]).items():
            label, style = ("sigmode", {"color": "k", "lw": 2.5}) if ours else ("SciPy", {"color": "C1"})
            axis.loglog(*zip(*curve, strict=True), marker=".", label=label, **style)
        axis.set_title(name)
        axis.set_xlim(1e-2, 1e-16)
        axis.legend()
    figure.supxlabel("largest error")
    figure.supylabel("seconds")
    figure.savefig(folder / "bvp_work_precision.png", dpi=60)

    figure, axes = plt.subplots(1, 3, figsize=(14, 3.8), constrained_layout=True)
    x = np.linspace(0, 1, 401)
    for branch, label in ((0, "lower"), (1, "upper")):
        axes[0].plot(x, once(bvps.bratu(branch), 1e-6, True).sol(x)[0], label=f"{label} branch")
    axes[0].set_title("Bratu: y'' + exp(y) = 0")
    axes[0].legend()
    axes[1].plot(x, once(bvps.sturm_liouville(), 1e-6, True).sol(x)[0])
    axes[1].set_title("Sturm-Liouville: y'' + k² y = 0")
    problem = bvps.t6(1e-4)
    res, x = once(problem, 1e-6, True), np.linspace(-1, 1, 4001)
    axes[2].plot(x, res.sol(x)[0])
    axes[2].plot(res.sol.x, res.sol(res.sol.x)[0], "k|", ms=14)
    axes[2].set_title("T6, eps = 1e-4, and the ends of the windows")
    for axis in axes:
        axis.set_xlabel("x")
    axes[0].set_ylabel("y")
    figure.savefig(folder / "bvp_examples.png", dpi=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1e-6 and 1e-9 only, no pictures")
    quick = parser.parse_args().quick
    for tol in (1e-6, 1e-9):
        table(bvps.problems(), tol)
    if not quick:
        print("\nLayers")
        table(LAYERS, 1e-6)
        pictures(Path(__file__).parents[1] / "docs")


if __name__ == "__main__":
    main()
