"""Training to a given error: time and error together; beside busy processes, too."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import sigmode as sm
from sigmode import blas
from sigmode.problems import LAGARIS_1, LAGARIS_2, LAGARIS_3, LAGARIS_4, LOGISTIC

RUNS = [
    (LAGARIS_1, "L-BFGS-B", 10),
    (LAGARIS_1, "least_squares", 40),
    (LAGARIS_1, "auto", 20),
    (LAGARIS_1, "auto", 40),
    (LAGARIS_2, "L-BFGS-B", 10),
    (LAGARIS_2, "auto", 40),
    (LAGARIS_3, "auto", 40),
    (LAGARIS_4, "auto", 20),
    (LAGARIS_4, "auto", 40),
    (LOGISTIC, "auto", 40),
]


@pytest.mark.full
@pytest.mark.parametrize(("problem", "method", "n_hidden"), RUNS, ids=lambda v: getattr(v, "name", str(v)))
def test_training(compare, problem, method, n_hidden):
    """Against solve_ivp's DOP853 at its tightest useful tolerance, for orientation: another kind of method."""
    p = problem
    x = np.linspace(*p.span, 2001)
    col = sm.Collocation(p.fun, p.span, p.y0, n_hidden, jac=p.jac)
    ours = lambda: sm.train(col, method=method)

    def theirs():
        fun = lambda t, y: p.fun(np.array([t]), y[:, None])[:, 0]
        return solve_ivp(fun, p.span, p.y0, method="DOP853", rtol=1e-12, atol=1e-14, dense_output=True)

    errors = [np.abs(solved.sol(x) - p.exact(x)).max() for solved in (ours(), theirs())]
    compare(
        ours,
        theirs,
        size=f"{p.name}, n_hidden={n_hidden}",
        what=f"train {method}, DOP853 rtol 1e-12",
        note="errors {:.0e}, {:.0e}".format(*errors),
    )


@pytest.fixture
def neighbours():
    """As many processes that never wait as there are cores."""
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    yield
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("neighbours")
@pytest.mark.parametrize("method", ["L-BFGS-B", "least_squares"])
def test_busy_cores(compare, monkeypatch, method):
    """BLAS on one thread while matrices are small, against its threads as installed."""
    p = LAGARIS_1
    col = sm.Collocation(p.fun, p.span, p.y0, 20, jac=p.jac)

    def with_limit(entries):
        def run():
            monkeypatch.setattr(blas, "SMALL", entries)
            sm.train(col, method=method)

        return run

    compare(
        with_limit(blas.SMALL),
        with_limit(-1),
        size="busy cores, Lagaris 1, n_hidden=20",
        what=f"train {method}, BLAS threads as installed",
    )
