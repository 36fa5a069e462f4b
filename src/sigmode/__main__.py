"""``python -m sigmode``: the demonstration.

``python -m sigmode derivation``: what each formula is worth. ``python -m sigmode warm``: compile every kernel and keep
it on disk, so that no later process has to.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from . import Collocation, fit_ivp, reference, solve_bvp, solve_ivp, train
from .arrays import Number, Real
from .compiled.launch import ENTRIES, where_kept
from .problems import (
    BRATU,
    GAUSS,
    HUDSON_BAY,
    LAGARIS_1,
    LAGARIS_2,
    LAGARIS_3,
    LAGARIS_3_TWO_POINT,
    LAGARIS_4,
    LAYER,
    LOGISTIC,
    TANGENT,
    Problem,
)
from .trial.plot import plot

# (problem, method, hidden units, points or None for twice as many)
RUNS: tuple[tuple[Problem, str, int, int | None], ...] = (
    (GAUSS, "L-BFGS-B", 3, 11),
    (GAUSS, "auto", 20, None),
    (LAGARIS_1, "L-BFGS-B", 10, None),
    (LAGARIS_1, "auto", 40, None),
    (LAGARIS_2, "L-BFGS-B", 10, None),
    (LAGARIS_2, "auto", 40, None),
    (LAGARIS_3, "auto", 40, None),
    (LAGARIS_4, "auto", 40, None),
    (LOGISTIC, "auto", 40, None),
    (TANGENT, "auto", 40, None),
)
MARCHED = (LAGARIS_1, LAGARIS_2, LAGARIS_3, LAGARIS_4, LOGISTIC, TANGENT)
BETWEEN = (LAGARIS_3_TWO_POINT, BRATU, LAYER)
_ADVICE = """What solves with a `fun` that Numba has compiled is itself compiled by the first such solve, in tens of
seconds, or beforehand by `python -m sigmode warm`, with all the rest."""
PICTURE, PICTURE_OF_FIT = "sigmode-demo.png", "sigmode-fit.png"


def main() -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(
        prog="python -m sigmode", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="demo", choices=("demo", "derivation", "warm"))
    what = parser.parse_args().what
    if what == "derivation":
        for line in derivation():
            print(line, flush=True)
    elif what == "warm":
        warm()
    else:
        demonstration()


def warm() -> None:
    """Compile what is not on disk yet, one line for each kernel, for one thread and for several."""
    start = time.perf_counter()
    for number, kernel in enumerate(ENTRIES, 1):
        before = time.perf_counter()
        kernel.compile()
        print(
            f"{number:3}/{len(ENTRIES)}  {kernel.__name__.strip('_'):24} {time.perf_counter() - before:6.2f} s",
            flush=True,
        )
    print(f"All kernels are there after {time.perf_counter() - start:.1f} s. {where_kept()}")


def demonstration() -> None:
    """Solve, print a row per run and save a picture where matplotlib is installed."""
    print(
        "Neural trial solutions; errors are maxima over 2001 points against the closed form, times without compilation."
    )
    print(f"\n{'problem':28} {'method':10} units points  iter      time    error estimate")
    cols = [Collocation(p.fun, p.span, p.y0, n_hidden, m, jac=p.jac) for p, _, n_hidden, m in RUNS]
    for col, (_, method, _, _) in zip(cols, RUNS, strict=True):
        train(col, method=method, max_iter=1)  # compiles whatever the timed runs will need
    solved = []
    for col, (problem, method, n_hidden, _) in zip(cols, RUNS, strict=True):
        start = time.perf_counter()
        res = train(col, method=method)
        seconds = time.perf_counter() - start
        x = np.linspace(*problem.span, 2001)
        error = abs(res.sol(x) - problem.exact(x)).max()
        print(
            f"{problem.name:28} {method:10} {n_hidden:5} {col.points.size:6} {res.nit:5} {1e3 * seconds:6.1f} ms "
            f"{error:8.1e} {res.error.max():8.1e}{'' if res.success else '  (tol 1e-6 not met)'}"
        )
        solved.append((problem, col, res))
    _march()
    _between()
    fit = _fit()
    print(f"\n{_ADVICE}")
    if importlib.util.find_spec("matplotlib") is None:
        print("\nWith matplotlib (pip install matplotlib) this also saves two pictures.")
        return
    try:
        _picture(solved[7])
        _picture_of_fit(fit)
    except OSError as error:
        print(f"\nNo picture: {error}")
    else:
        print(f"\nPictures of {solved[7][0].name}: {PICTURE}, of the fit: {PICTURE_OF_FIT}")


def _march() -> None:
    """The same problems window by window, with a bound of the global error."""
    print(f"\n{'solve_ivp, rtol = atol = 1e-10':39} windows f(t, y)      time    error estimate")
    for problem in MARCHED:
        solve = functools.partial(
            solve_ivp, problem.fun, problem.span, problem.y0, rtol=1e-10, atol=1e-10, vectorized=True
        )
        solve()
        start = time.perf_counter()
        res = solve()
        seconds = time.perf_counter() - start
        x = np.linspace(*problem.span, 2001)
        error = abs(res.sol(x) - problem.exact(x)).max()
        print(
            f"{problem.name:39} {len(res.sol.y):7} {res.nfev:7} {1e3 * seconds:6.1f} ms "
            f"{error:8.1e} {res.sol.error(x).max():8.1e}{'' if res.success else '  (tolerance not met)'}"
        )


def _between() -> None:
    """Boundary value problems from the guess zero on five nodes."""
    print(f"\n{'solve_bvp, tol = 1e-9':39} windows  meshes      time    error estimate")
    for problem in BETWEEN:
        mesh = np.linspace(*problem.span, 5)
        solve = functools.partial(solve_bvp, problem.fun, problem.bc, mesh, np.zeros((2, 5)), tol=1e-9)
        solve()
        start = time.perf_counter()
        res = solve()
        seconds = time.perf_counter() - start
        x = np.union1d(np.linspace(*problem.span, 2001), problem.span[1] - np.geomspace(1e-9, 1e-3, 500))
        error = abs(res.sol(x)[0] - problem.exact(x)).max()
        print(
            f"{problem.name:39} {len(res.sol.y):7} {res.niter:7} {1e3 * seconds:6.1f} ms "
            f"{error:8.1e} {res.error[0]:8.1e}{'' if res.success else '  (tol not met)'}"
        )


def _fit() -> OptimizeResult:
    """Four rates and two initial values from 42 counts of animals, from a start that is far off."""

    def predators(t: float, y: Real, a: float, b: float, c: float, d: float) -> list[float]:
        return [a * y[0] - b * y[0] * y[1], d * y[0] * y[1] - c * y[1]]

    years, counts = HUDSON_BAY
    solve = functools.partial(fit_ivp, predators, years, counts, [1.0, 0.05, 1.0, 0.05], [np.nan, np.nan])
    solve()
    start = time.perf_counter()
    fit = solve()
    print(f"\nfit_ivp: hares and lynxes of Hudson Bay, {1e3 * (time.perf_counter() - start):.0f} ms")
    for name, value, error in zip(fit.names, fit.x, fit.stderr, strict=True):
        print(f"{name:6} {value:9.5f} +- {error:.5f}")
    print(f"sum of squares {fit.ssr:.3f}{'' if fit.success else '  (' + fit.message + ')'}")
    return fit


def _picture_of_fit(fit: OptimizeResult) -> None:
    """Data, fit, band and residuals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    fit.plot(figure.subplots(2, 1, sharex=True, height_ratios=(3, 1)))
    figure.savefig(PICTURE_OF_FIT, dpi=120)


def _picture(run: tuple[Problem, Collocation, OptimizeResult]) -> None:
    """Solution, and its error and residual below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    problem, col, res = run
    figure = Figure(figsize=(7.0, 7.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 1, sharex=True)
    residual = lambda x: res.sol(x, 1) - problem.fun(x, res.sol(x))
    plot(res.sol, axes, residual, problem.exact)
    axes[0].set_title(f"{problem.name}: {col.network.n_hidden} hidden units, {col.points.size} points")
    figure.savefig(PICTURE, dpi=120)


def derivation() -> Iterator[str]:
    """The source's formulas for dE/dw, judged by the complex step and by an L-BFGS run with each."""
    fun = lambda x, y: np.cos(x) - 2.0 * x * y
    df_dy = lambda x, y: -2.0 * x
    x, n_hidden = np.linspace(0.0, 1.0, 11), 3
    theta = np.random.default_rng(0).normal(size=3 * n_hidden)

    def loss(t: Number) -> Any:
        return reference.loss(t, x, (0.0, 1.0), np.ones(1), fun, n_hidden)

    exact = np.array([loss(theta + 1e-30j * unit).imag / 1e-30 for unit in np.eye(theta.size)])
    yield "y' = -2xy + cos x on [0, 1], y(0) = 1; 3 hidden units, 11 uniform points; the w block by each formula:"
    yield f"\n{'formula':8} {'error of dE/dw':>14} {'iterations':>10} {'final loss':>10}  what L-BFGS says"
    for formula in reference.FORMULAS:

        def gradient(t: Real, formula: str = formula) -> Real:
            return np.real(reference.gradient(t, x, 1.0, fun, df_dy, n_hidden, formula))

        error = abs(gradient(theta) - exact)[:n_hidden].max() / abs(exact[:n_hidden]).max()
        options = {"maxiter": 2000, "maxfun": 20000, "ftol": 0.0, "gtol": 1e-10, "maxcor": 50}
        fit = minimize(lambda t: float(loss(t)), theta, jac=gradient, method="L-BFGS-B", options=options)
        yield f"{formula:8} {error:14.1e} {fit.nit:10} {fit.fun:10.1e}  {fit.message}"


if __name__ == "__main__":
    main()
