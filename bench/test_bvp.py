"""Boundary value problems: against SciPy with the same tolerance, and how the elimination of windows scales.

`python bench/bvp_work_precision.py` has all problems, the errors and the pictures.
"""

import bvps
import numpy as np
import pytest
from scipy.integrate import solve_bvp

import sigmode as sm
from sigmode.bvp.chain import Chain
from sigmode.bvp.directions import undirected
from sigmode.bvp.equations import Derivatives, Residual
from sigmode.bvp.mesh import Mesh
from sigmode.compiled import dense, launch
from sigmode.trial.basis import basis

pytestmark = pytest.mark.full

PROBLEMS = [
    bvps.t1(0.01), bvps.t2(0.01), bvps.t3(0.1), bvps.t5(0.001), bvps.t6(0.001), bvps.t20(0.1),
    bvps.bratu(0), bvps.bratu(1), bvps.sturm_liouville(), bvps.t1(1e-6), bvps.t2(1e-6), bvps.t6(1e-6),
]  # fmt: skip


def against(compare, run, size, errors):
    """run(solver) with ours and with SciPy's, and the errors of both."""
    compare(
        lambda: run(sm.solve_bvp),
        lambda: run(solve_bvp),
        size=size,
        what="sm.solve_bvp, SciPy's",
        note="errors {:.0e}, {:.0e}".format(*errors),
    )


@pytest.mark.parametrize("tol", [1e-6, 1e-9])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_against_scipy(compare, problem, tol):
    run = lambda solver, **options: solver(
        problem.fun, problem.bc, problem.x, problem.y, p=problem.p, tol=tol, max_nodes=100_000, **options
    )
    ours, theirs = run(sm.solve_bvp), run(solve_bvp)
    if not theirs.success:
        pytest.skip(f"SciPy: status {theirs.status}")
    errors = [bvps.error(problem, res.sol) for res in (ours, theirs)]
    against(compare, run, f"{problem.name}, tol {tol:g}", errors)


def linear_system(n, K, s):
    rng = np.random.default_rng(0)
    mesh = Mesh(np.linspace(0, 1, K + 1), basis(s))
    derivatives = Derivatives(rng.normal(size=(n, n, K * s)), rng.normal(size=(n, 2 * n)))
    residual = Residual(rng.normal(size=(n, K * s)), rng.normal(size=(n, K)), rng.normal(size=n))
    return mesh, undirected(n, K), derivatives, residual


@pytest.mark.parametrize(("n", "K", "s"), [(2, 16, 16), (2, 200, 16), (6, 50, 16), (60, 100, 6)])
def test_two_threads(compare, monkeypatch, n, K, s):
    chain = Chain(*linear_system(n, K, s)[:3])

    def serial():
        with monkeypatch.context() as patch:
            patch.setattr(launch, "PARALLEL_WORK", 10**15)
            chain._eliminate(0)

    compare(
        lambda: chain._eliminate(0), serial, size=f"n={n}, {K} windows, s={s}", what="elimination: all threads, one"
    )


@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_many_equations(compare, tol):
    """y' = A y with a full A, half of the conditions at each end."""
    n = 60
    A = np.random.default_rng(0).normal(size=(n, n)) / np.sqrt(n)
    fun, x, y = lambda x, y: A @ y, np.linspace(0, 3, 5), np.zeros((n, 5))
    bc = lambda ya, yb: np.concatenate([ya[: n // 2] - 1, yb[n // 2 :] - 1])
    run = lambda solver: solver(fun, bc, x, y, tol=tol, max_nodes=100_000)
    exact = run(lambda *args, **options: sm.solve_bvp(*args, **(options | {"tol": 1e-9}))).sol(x)
    errors = [abs(run(solver).sol(x) - exact).max() for solver in (sm.solve_bvp, solve_bvp)]
    against(compare, run, f"n={n}, tol {tol:g}", errors)


@pytest.mark.parametrize(("n", "s"), [(2, 16), (60, 8)])
def test_time_is_linear_in_the_windows(compare, n, s):
    """The ratio should be 4."""
    few, many = (linear_system(n, K, s) for K in (25, 100))
    solve = lambda system: Chain(*system[:3]).solve(system[3])
    compare(lambda: solve(few), lambda: solve(many), size=f"n={n}, s={s}", what="25 windows, 100")


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512])
def test_panels(compare, monkeypatch, size):
    """Below `dense.ONE_PANEL` slopes a window is eliminated in one pass. Both ways are compiled here for once."""
    from numba import njit

    rows = np.random.default_rng(0).normal(size=(size + 4, size + 8))
    pivots = np.empty(size, dtype=np.int64)
    panels, panel, exact = dense.eliminate_by_panels, dense.eliminate_panel, launch._EXACT
    all_panels = njit(**exact)(lambda W, size, pivots: panels(W, size, pivots))
    one = njit(**exact)(lambda W, size, pivots: panel(W, 0, size, W.shape[1], pivots))
    compare(
        lambda: all_panels(rows.copy(), size, pivots),
        lambda: one(rows.copy(), size, pivots),
        size=f"{size} slopes",
        what="elimination by panels, in one pass",
    )


@pytest.mark.parametrize("tol", [1e-3, 1e-6])
@pytest.mark.parametrize("nodes", [5, 50, 400])
def test_guesses_on_many_nodes(compare, nodes, tol):
    """Bratu's problem: where SciPy is at its best, a loose tolerance and a mesh that is fine enough already."""
    problem, x = bvps.bratu(0), np.linspace(0, 1, nodes)
    run = lambda solver: solver(problem.fun, problem.bc, x, np.zeros((2, nodes)), tol=tol)
    errors = [bvps.error(problem, run(solver).sol) for solver in (sm.solve_bvp, solve_bvp)]
    against(compare, run, f"Bratu, {nodes} nodes, tol {tol:g}", errors)
