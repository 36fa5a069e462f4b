"""Initial value problems whose f Numba compiles, against compiled solvers of other packages, at equal true error.

    python bench/peers.py                  # about three minutes; packages that are not installed are left out
    python bench/peers.py Lorenz ROBER     # some problems only
    python bench/peers.py --check          # the reference values against two of SciPy's methods

Packages: numbalsoda (needs gfortran, g++ and cmake), CyRK, scikit-sundae; SciPy's own methods with the same compiled f.
f is one function under `numba.njit`; each package gets it in the form that it is fastest with. Only the solution at the
end is asked for. "Ours" is `sigmode.solve_ivp`, its bound on the error included. The error is the largest one there of
a component, relative to its value plus 1e-3 of the largest one. Times at an error are read off between two tolerances
of a ladder of half decades, logarithmically.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import math
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numba
import numpy as np
from peer_problems import PROBLEMS, REFERENCES
from scipy.integrate import odeint, solve_ivp

import sigmode as sm

TARGETS = (1e-6, 1e-9)
LADDER = 10.0 ** -np.arange(3.0, 13.25, 0.5)
MOST_STEPS = 300_000  # of the compiled solvers
SLOW = 0.4  # seconds: tighter tolerances are left out
ROUNDS, LEAST_ROUNDS, LONG, SHORT = 7, 3, 0.05, 5e-3  # LEAST_ROUNDS of LONG runs; those below SHORT run several times
NEARLY = 10.0
OURS, PEERS = "ours", ("numbalsoda lsoda", "numbalsoda dop853")

Run = Callable[[float, float], Any]  # (rtol, atol) -> y at the end; None or an exception where there is none


# ----------------------------------------------------------------------------------------------------------- solvers


@functools.cache
def compiled(name: str) -> Any:
    """f(t, y) -> tuple, under njit."""
    return numba.njit(PROBLEMS[name].fun)


@functools.cache
def returning_array(name: str) -> Any:
    """f(t, y) -> array, under njit, as SciPy likes it best."""
    fun = compiled(name)
    return numba.njit(lambda t, y: np.array(fun(t, y)))


def with_numbalsoda(solver: str) -> Callable[[str], Run]:
    """numbalsoda's `lsoda`, `dop853` or `solve_ivp`: f under cfunc."""

    def make(name: str) -> Run:
        import numbalsoda

        p, fun, solve = PROBLEMS[name], compiled(name), getattr(numbalsoda, solver)
        n, y0, ends = len(p.y0), p.start, p.ends

        @numba.cfunc(numbalsoda.lsoda_sig)
        def rhs(t, y, dy_dt, data):
            slopes = fun(t, y)
            for k in range(n):
                dy_dt[k] = slopes[k]

        def run(rtol: float, atol: float, rhs: Any = rhs, address: int = rhs.address) -> Any:
            if solver == "solve_ivp":
                res = solve(address, ends, y0, t_eval=ends, rtol=rtol, atol=atol)
                return res.y[-1] if res.success else None
            y, success = solve(address, y0, ends, rtol=rtol, atol=atol, mxstep=MOST_STEPS)
            return y[-1] if success else None

        return run

    return make


@functools.cache
def cyrk_at_the_end() -> Any:
    """CyRK's `nbsolve2_ivp`, with the solution at the end taken out and the rest freed."""
    from CyRK import nbsolve2_ivp

    @numba.njit
    def solve(address, ends, y0, method, rtol, atol):
        span = (ends[0], ends[1])
        res = nbsolve2_ivp(address, span, y0, method, ends, rtol=rtol, atol=atol, max_num_steps=MOST_STEPS)
        success = res.success and res.size > 0
        y = res.y[:, -1].copy() if success else y0
        res.free()
        return y, success

    return solve


def with_cyrk(method: str) -> Callable[[str], Run]:
    """CyRK's C++ solvers, called from njit with f under cfunc."""

    def make(name: str) -> Run:
        from CyRK import cyjit

        p, fun, solve = PROBLEMS[name], compiled(name), cyrk_at_the_end()
        n, y0, ends = len(p.y0), p.start, p.ends

        @cyjit
        def rhs(dy_dt, t, y, data):
            slopes = fun(t, y)
            for k in range(n):
                dy_dt[k] = slopes[k]

        def run(rtol: float, atol: float, rhs: Any = rhs, address: int = rhs.address) -> Any:
            y, success = solve(address, ends, y0, method, rtol, atol)
            return y if success else None

        return run

    return make


def with_cvode(name: str) -> Run:
    """scikit-sundae's CVODE, Adams or BDF: f under njit, called from Cython."""
    from sksundae.cvode import CVODE

    p, fun = PROBLEMS[name], compiled(name)
    n, y0, method = len(p.y0), p.start, "BDF" if p.stiff else "Adams"

    @numba.njit
    def rhs(t, y, dy_dt):
        slopes = fun(t, y)
        for k in range(n):
            dy_dt[k] = slopes[k]

    def run(rtol: float, atol: float) -> Any:
        solver = CVODE(rhs, method=method, rtol=rtol, atol=atol, max_num_steps=MOST_STEPS)
        solver.init_step(p.span[0], y0)
        res = solver.step(p.span[1])
        return res.y if res.success else None

    return run


def with_solve_ivp(method: Any) -> Callable[[str], Run]:
    """SciPy's `solve_ivp`, with its own methods or ours."""

    def make(name: str) -> Run:
        p, fun = PROBLEMS[name], compiled(name) if method is sm.NeuralCollocation else returning_array(name)

        def run(rtol: float, atol: float) -> Any:
            res = solve_ivp(fun, p.span, p.y0, method=method, t_eval=p.span, rtol=rtol, atol=atol)
            return res.y[:, -1] if res.success else res.message

        return run

    return make


def with_odeint(name: str) -> Run:
    """SciPy's `odeint`."""
    p, fun = PROBLEMS[name], returning_array(name)

    def run(rtol: float, atol: float) -> Any:
        options = {"rtol": rtol, "atol": atol, "mxstep": MOST_STEPS, "full_output": True}
        y, info = odeint(fun, p.y0, p.span, tfirst=True, **options)
        return y[-1] if info["message"] == "Integration successful." else info["message"]

    return run


def with_ours(error_control: str) -> Callable[[str], Run]:
    """`sigmode.solve_ivp`: with the global error."""

    def make(name: str) -> Run:
        p, fun = PROBLEMS[name], compiled(name)

        def run(rtol: float, atol: float) -> Any:
            res = sm.solve_ivp(fun, p.span, p.y0, t_eval=p.span, rtol=rtol, atol=atol, error_control=error_control)
            return res.y[:, -1] if res.success else res.message

        return run

    return make


class Solver(NamedTuple):
    """The package that must be there, what makes a run for a problem, and whether stiff problems are left out."""

    package: str
    make: Callable[[str], Run]
    explicit: bool = False


SOLVERS = {
    OURS: Solver("sigmode", with_ours("global")),
    "ours, local": Solver("sigmode", with_ours("local")),
    "ours in SciPy": Solver("sigmode", with_solve_ivp(sm.NeuralCollocation)),
    "numbalsoda lsoda": Solver("numbalsoda", with_numbalsoda("lsoda")),
    "numbalsoda dop853": Solver("numbalsoda", with_numbalsoda("dop853")),
    "numbalsoda solve_ivp": Solver("numbalsoda", with_numbalsoda("solve_ivp"), True),
    "CyRK RK45": Solver("CyRK", with_cyrk("RK45"), True),
    "CyRK DOP853": Solver("CyRK", with_cyrk("DOP853"), True),
    "CyRK Vern8": Solver("CyRK", with_cyrk("Vern8"), True),
    "CyRK LSODA": Solver("CyRK", with_cyrk("LSODA")),
    "CyRK Radau": Solver("CyRK", with_cyrk("RADAU")),
    "CVODE": Solver("sksundae", with_cvode),
    "odeint": Solver("scipy", with_odeint),
    "SciPy LSODA": Solver("scipy", with_solve_ivp("LSODA")),
    "SciPy DOP853": Solver("scipy", with_solve_ivp("DOP853"), True),
    "SciPy Radau": Solver("scipy", with_solve_ivp("Radau")),
}

# -------------------------------------------------------------------------------------------------------- measurement

Times = dict[float, float]  # seconds by target


class Point(NamedTuple):
    """A tolerance, the true error there (infinite where the solver gives up) and the seconds of one run."""

    rtol: float
    error: float
    seconds: float


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warnings, and nothing printed by compiled code."""
    sys.stdout.flush()
    kept = [os.dup(stream) for stream in (1, 2)]
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
        try:
            yield
        finally:
            for stream, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, stream)
                os.close(copy)


def true_error(name: str, y: Any) -> float:
    """At the end, of the worst component, relative to it plus 1e-3 of the largest one."""
    exact = np.array(REFERENCES[name])
    error = abs(y - exact) / (abs(exact) + 1e-3 * abs(exact).max())
    return float(np.nan_to_num(error.max(), nan=np.inf))


def scan(name: str, run: Run, complaints: list[str]) -> list[Point]:
    """Down the ladder, until two errors in a row are below all targets, three are no answers, or it gets slow."""
    points: list[Point] = []
    run(LADDER[0], PROBLEMS[name].atol * LADDER[0])
    for rtol in LADDER.tolist():
        for _ in range(2):  # a first run may have compiled something
            start = time.perf_counter()
            y = run(rtol, PROBLEMS[name].atol * rtol)
            seconds = time.perf_counter() - start
            if seconds <= SLOW:
                break
        answered = y is not None and not isinstance(y, str)
        if not answered:
            complaints.append(f"rtol {rtol:.0e}: {y or 'no success'}")
        points.append(Point(rtol, true_error(name, y) if answered else np.inf, seconds))
        errors = [point.error for point in points]
        done = len(errors) > 1 and max(errors[-2:]) <= min(TARGETS)
        if done or seconds > SLOW or (len(errors) > 2 and np.isinf(min(errors[-3:]))):
            break
    return points


def bracket(points: list[Point], target: float) -> tuple[int, ...]:
    """Around the target: the first of two errors in a row below it, and the one before.

    One alone may be luck; the last one of the ladder counts where the error before it is nearly there.
    """
    below = [point.error <= target for point in points]
    below.append(len(points) > 1 and points[-2].error <= NEARLY * target)
    for k in range(len(points)):
        if below[k] and below[k + 1]:
            return (k - 1, k) if k and np.isfinite(points[k - 1].error) else (k,)
    return ()


def medians(name: str, runs: dict[tuple[str, float], Run], rough: dict[tuple[str, float], float]) -> dict[Any, float]:
    """Of runs that take turns."""
    found: dict[Any, list[float]] = {key: [] for key in runs}
    for k in range(ROUNDS):
        for key, run in runs.items():
            if k >= LEAST_ROUNDS and rough[key] > LONG:
                continue
            times = max(1, min(100, int(SHORT / rough[key])))
            rtol, atol = key[1], PROBLEMS[name].atol * key[1]
            start = time.perf_counter()
            for _ in range(times):
                run(rtol, atol)
            found[key].append((time.perf_counter() - start) / times)
    return {key: statistics.median(of) for key, of in found.items()}


def at_target(points: list[Point], ends: tuple[int, ...], target: float, seconds: Callable[[float], float]) -> float:
    """Seconds at the target, logarithmically between the ends of the bracket."""
    if not ends:
        return np.inf
    times = [seconds(points[k].rtol) for k in ends]
    if len(ends) == 1 or points[ends[1]].error == 0.0:
        return times[-1]
    loose, tight = (math.log(points[k].error) for k in ends)
    weight = (loose - math.log(target)) / (loose - tight)
    return math.exp((1 - weight) * math.log(times[0]) + weight * math.log(times[1]))


def measure(name: str, complaints: dict[str, list[str]]) -> dict[str, Times]:
    """Seconds of each solver at each target."""
    runs, curves = {}, {}
    for label, solver in SOLVERS.items():
        if not importlib.util.find_spec(solver.package) or (solver.explicit and PROBLEMS[name].stiff):
            continue
        complaints[label] = []
        with quiet():
            runs[label] = solver.make(name)
            curves[label] = scan(name, runs[label], complaints[label])
    ends = {(label, target): bracket(of, target) for label, of in curves.items() for target in TARGETS}
    wanted = {(label, curves[label][k].rtol): curves[label][k].seconds for (label, _), of in ends.items() for k in of}
    with quiet():
        found = medians(name, {key: runs[key[0]] for key in wanted}, wanted)
    return {
        label: {
            target: at_target(of, ends[label, target], target, lambda rtol, label=label: found[label, rtol])
            for target in TARGETS
        }
        for label, of in curves.items()
    }


# ------------------------------------------------------------------------------------------------------------- tables

RATIOS = {
    "numbalsoda/ours": PEERS,
    "LSODA/ours": ("SciPy LSODA",),
    "DOP853/ours": ("SciPy DOP853",),
    "fastest other/ours": tuple(label for label in SOLVERS if not label.startswith(OURS)),
}


def cell(number: float, digits: int = 3) -> str:
    """A number of so many digits; a dash where there is none."""
    if not np.isfinite(number):
        return "-"
    return f"{number:.{max(0, digits - 1 - math.floor(math.log10(number)))}f}"


def ratios(of: dict[str, Times], target: float) -> list[float]:
    """The least time of theirs over ours, for each kind of `RATIOS`; nan where either does not get there."""
    own = of[OURS][target]
    found = []
    for labels in RATIOS.values():
        least = min((of[label][target] for label in labels if label in of), default=np.inf)
        found.append(least / own if np.isfinite(least) and np.isfinite(own) else np.nan)
    return found


def table(results: dict[str, dict[str, Times]], target: float, stiff: bool) -> None:
    """Milliseconds and ratios at one error, with medians of the ratios."""
    names = [name for name in results if PROBLEMS[name].stiff is stiff]
    labels = [label for label in SOLVERS if any(label in results[name] for name in names)]
    if not names:
        return
    print(f"\nMilliseconds at a true error of {target:.0e}, {'stiff' if stiff else 'non-stiff'} problems\n")
    print("| problem | " + " | ".join([*labels, *RATIOS]) + " |\n|---|" + "--:|" * (len(labels) + len(RATIOS)))
    rows = []
    for name in names:
        of = results[name]
        times = [cell(1e3 * of[label][target]) if label in of else "-" for label in labels]
        rows.append(ratios(of, target))
        print(f"| {name} | " + " | ".join(times + [cell(ratio, 2) for ratio in rows[-1]]) + " |")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        middle = np.nanmedian(np.array(rows), axis=0)
    print("| **median** | " + " | ".join([""] * len(labels) + [cell(ratio, 2) for ratio in middle]) + " |")


def check(names: list[str]) -> None:
    """How far two of SciPy's methods at 1e-13 are from the reference values."""
    for name in names:
        methods = ("Radau", "LSODA") if PROBLEMS[name].stiff else ("DOP853", "LSODA")
        with quiet():
            ends = [with_solve_ivp(method)(name)(1e-13, 1e-14 * PROBLEMS[name].atol) for method in methods]
        print(name, *(f"{method} {true_error(name, y):.1e}" for method, y in zip(methods, ends, strict=True)))


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problems", nargs="*", help="all by default")
    parser.add_argument("--check", action="store_true", help="the reference values against two of SciPy's methods")
    parser.add_argument("--complaints", action="store_true", help="say where a solver gave no answer")
    arguments = parser.parse_args()
    names = [name for name in PROBLEMS if name in (arguments.problems or PROBLEMS)]
    if arguments.check:
        check(names)
        return
    results, complaints = {}, {name: {} for name in names}
    for name in names:
        results[name] = measure(name, complaints[name])
        print(".", end="", flush=True)
    print()
    for stiff in (False, True):
        for target in TARGETS:
            table(results, target, stiff)
    if arguments.complaints:
        for name, of in complaints.items():
            for label, lines in of.items():
                print(*(f"{name}, {label}, {line}" for line in lines), sep="\n", end="\n" if lines else "")


if __name__ == "__main__":
    main()
