"""A fresh process with a warm disk cache: import, build a Collocation, evaluate once."""

import subprocess
import sys

BARE = "import numba, scipy.optimize"
OURS = """
import sigmode as sm
col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], n_hidden=10)
col.loss_and_gradient(col.initial())
"""


def fresh(code):
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def test_cold_start(compare):
    compare(
        fresh(BARE),
        fresh(OURS),
        size="fresh process",
        what="import numba, scipy.optimize; sigmode evaluated once",
        note="at most 2.5 is wanted",
    )
