"""Every claim of the README in one row each: medians over some of the problems behind the long tables.

The whole tables: `python bench/work_precision.py`, `bench/global_error.py`, `bench/bvp_work_precision.py`.
"""

import time

import bvps
import numpy as np
import pytest
from global_error import doubt
from ivps import PROBLEMS, reference, solver, tolerance
from scipy.integrate import solve_bvp, solve_ivp

import sigmode as sm

OURS = sm.NeuralCollocation
SOME = ("A3", "B4", "Lotka-Volterra", "Kepler e=0.1", "Lorenz", "Prothero-Robinson 1e3", "ROBER")
BETWEEN = [
    bvps.t1(0.01), bvps.t2(0.01), bvps.t3(0.1), bvps.t5(0.001), bvps.t6(0.001), bvps.t20(0.1),
    bvps.bratu(0), bvps.bratu(1), bvps.sturm_liouville(),
]  # fmt: skip


def at_equal_error(names, others, target, compile_it=False):
    """(ours, the fastest of the others) for each problem, every one at its loosest tolerance that meets the target."""
    cases = []
    for name in names:
        ours = tolerance(name, OURS, target, compile_it)
        able = [other for other in others if not (other == "DOP853" and PROBLEMS[name].stiff)]
        theirs = [(other, tolerance(name, other, target, compile_it)) for other in able]
        runs = [solver(name, other, found[0], compile_it) for other, found in theirs if found is not None]
        if ours is not None and runs:
            cases.append((solver(name, OURS, ours[0], compile_it), min(runs, key=seconds)))
    return cases


def seconds(run):
    """The time of one run, after one."""
    run()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@pytest.mark.parametrize("target", [1e-6, 1e-9])
@pytest.mark.parametrize("others", [("Radau",), ("LSODA", "DOP853")], ids=" or ".join)
def test_marching_at_equal_true_error(claim, others, target):
    cases = at_equal_error(SOME, others, target)
    claim(
        cases,
        size=f"{len(cases)} problems, true error {target:.0e}, plain f",
        what=f"NeuralCollocation; {' or '.join(others)}",
    )


@pytest.mark.parametrize("other", ["LSODA", "DOP853"])
def test_compiled_f_at_equal_true_error(claim, other):
    names = [name for name in SOME if other == "LSODA" or not PROBLEMS[name].stiff]
    cases = at_equal_error(names, (other,), 1e-8, compile_it=True)
    claim(cases, size=f"{len(cases)} problems, true error 1e-08, compiled f", what=f"NeuralCollocation; {other}")


def test_the_global_error_is_known(claim):
    """Estimate over true error at three tolerances; the time is that of the estimate, against one march without."""
    ratios, cases = [], []
    for name in SOME:
        p, exact, own = PROBLEMS[name], reference(name), doubt(name)
        options = {} if p.jac is None else {"jac": p.jac}
        for tol in (1e-4, 1e-6, 1e-8):
            res = sm.solve_ivp(p.fun, p.span, p.y0, rtol=tol, atol=1e-3 * tol, **options)
            true = abs(res.sol(p.grid) - exact).max(axis=1)
            judged = true > 10 * own
            ratios += [] if not res.success else list(res.sol.error(p.grid).max(axis=1)[judged] / true[judged])
        arguments = {"rtol": 1e-6, "atol": 1e-9, **options}
        cases.append(
            (
                lambda p=p, a=arguments: sm.solve_ivp(p.fun, p.span, p.y0, **a),
                lambda p=p, a=arguments: solve_ivp(p.fun, p.span, p.y0, method=OURS, dense_output=True, **a),
            )
        )
    found = np.array(ratios)
    within = np.mean((found >= 1 / 3) & (found <= 3))
    claim(
        cases,
        size=f"{len(cases)} problems, rtol 1e-6",
        what="sm.solve_ivp; one march without an estimate",
        note=f"estimate within a factor of 3 of the true error: {within:.0%} of {found.size}",
    )


@pytest.mark.parametrize("tol", [1e-6, 1e-9])
def test_boundary_values_at_the_same_tolerance(claim, tol):
    cases, errors = [], []
    for problem in BETWEEN:
        run = lambda solve, problem=problem, **options: solve(
            problem.fun, problem.bc, problem.x, problem.y, p=problem.p, tol=tol, **options
        )
        errors.append(bvps.error(problem, run(sm.solve_bvp).sol))
        cases.append((lambda run=run: run(sm.solve_bvp), lambda run=run: run(solve_bvp, max_nodes=100_000)))
    claim(
        cases,
        size=f"{len(cases)} problems, tol {tol:.0e}",
        what="sm.solve_bvp; SciPy's",
        note=f"our largest true error {max(errors):.0e}",
    )
