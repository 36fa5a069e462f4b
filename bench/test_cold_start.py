"""What a fresh process costs: the first solve of each kind with an empty disk cache and with a full one; imports."""

import os
import subprocess
import sys

import pytest

BARE = "import numba, scipy.integrate, scipy.interpolate"
IMPORT = "import sigmode"
FIRST = {
    "solve_ivp": "sm.solve_ivp(lambda t, y: [y[1], -y[0]], (0, 10), [1.0, 0.0])",
    "solve_ivp, compiled f": "import numba; sm.solve_ivp(numba.njit(lambda t, y: (y[1], -y[0])), (0, 10), [1.0, 0.0])",
    "train": "sm.train(sm.Collocation(lambda x, y: np.array([y[1], -y[0]]), (0, 5), [0.0, 1.0], n_hidden=30))",
    "solve_bvp": """sm.solve_bvp(lambda x, y: np.vstack([y[1], -np.exp(y[0])]), lambda ya, yb: np.array([ya[0], yb[0]]),
             np.linspace(0, 1, 5), np.zeros((2, 5)), tol=1e-9)""",
}


def fresh(code, cache=None):
    """Run code in a process of its own; cache : a function that gives the folder for compiled files."""

    def run():
        environment = {} if cache is None else {"NUMBA_CACHE_DIR": str(cache())}
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **environment})

    return run


@pytest.mark.parametrize("name", FIRST)
def test_first_solve(claim, tmp_path_factory, name):
    """Once each: what is compiled is thrown away."""
    code = f"import numpy as np, sigmode as sm\n{FIRST[name]}"
    full = tmp_path_factory.mktemp("full")
    fresh(code, lambda: full)()
    claim(
        [(fresh(code, lambda: full), fresh(code, lambda: tmp_path_factory.mktemp("empty")))],
        size=f"first {name} of a process",
        what="disk cache full; empty",
        note="whole processes",
        runs=1,
    )


def test_import(compare):
    compare(
        fresh(BARE),
        fresh(IMPORT),
        size="fresh process",
        what="import numba, scipy.integrate, scipy.interpolate; import sigmode",
        note="at most 2.5 is wanted",
    )
