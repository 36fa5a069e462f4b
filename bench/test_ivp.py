"""Initial value problems: time at equal true error against SciPy's methods, with the errors beside the times.

`python bench/work_precision.py` draws the whole curves.
"""

import numpy as np
import pytest
from ivps import PROBLEMS, solver, tolerance
from scipy.integrate import solve_ivp
from scipy.sparse import diags_array

import sigmode as sm
from sigmode.ivp import window

OURS = sm.NeuralCollocation
pytestmark = pytest.mark.full


def at_equal_error(compare, name, other, target, compile_it=False):
    ours, theirs = (tolerance(name, method, target, compile_it) for method in (OURS, other))
    if theirs is None:
        pytest.skip(f"{other} does not reach {target:g}")
    kind = "compiled f" if compile_it else "plain f"
    compare(
        solver(name, OURS, ours[0], compile_it),
        solver(name, other, theirs[0], compile_it),
        size=f"{name}, error {target:.0e}",
        what=f"NeuralCollocation, {other}, {kind}",
        note=f"errors {ours[1]:.0e}, {theirs[1]:.0e}",
    )


@pytest.mark.parametrize("target", [1e-6, 1e-9])
@pytest.mark.parametrize("name", PROBLEMS)
def test_against_radau(compare, name, target):
    at_equal_error(compare, name, "Radau", target)


@pytest.mark.parametrize("other", ["LSODA", "DOP853"])
@pytest.mark.parametrize("name", [name for name, p in PROBLEMS.items()])
def test_compiled(compare, name, other):
    if other == "DOP853" and PROBLEMS[name].stiff:
        pytest.skip("stiff")
    at_equal_error(compare, name, other, 1e-8, compile_it=True)


@pytest.mark.parametrize("name", ["Lotka-Volterra", "HIRES"])
def test_the_price_of_the_global_error(compare, name):
    p = PROBLEMS[name]
    options = {"rtol": 1e-6, "atol": 1e-6}
    compare(
        lambda: sm.solve_ivp(p.fun, p.span, p.y0, **options),
        lambda: solve_ivp(p.fun, p.span, p.y0, method=OURS, dense_output=True, **options),
        size=name,
        what="sm.solve_ivp, the same without an estimate",
    )


def reaction_diffusion(n):
    x = np.linspace(0, 1, n)

    def fun(t, y):
        return 1e-3 * n**2 * np.diff(np.concatenate([y[:1], y, y[-1:]]), 2) + 5 * y * (1 - y)

    pattern = diags_array([np.ones(n - 1), np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1])
    return fun, pattern, np.exp(-100 * (x - 0.2) ** 2)


@pytest.mark.parametrize("n", [100, 1000])
def test_reaction_diffusion(compare, n):
    """One dimension, df/dy by differences with the same sparsity, both at rtol = atol = 1e-6."""
    fun, pattern, y0 = reaction_diffusion(n)

    def solve(method, tol=1e-6):
        return solve_ivp(fun, (0, 2), y0, method=method, rtol=tol, atol=tol, jac_sparsity=pattern)

    exact = solve("Radau", 1e-10).y[:, -1]
    errors = [abs(solve(method).y[:, -1] - exact).max() for method in (OURS, "Radau")]
    compare(
        lambda: solve(OURS),
        lambda: solve("Radau"),
        size=f"reaction-diffusion, n={n}",
        what="NeuralCollocation, Radau, rtol 1e-6",
        note="errors {:.0e}, {:.0e}".format(*errors),
    )


@pytest.mark.parametrize("n", [2, 4, 8, 12, 16])
def test_threshold(compare, n, monkeypatch):
    """One system of s n unknowns against s systems of n: the choice behind `_ONE_SYSTEM`."""
    frequency = np.linspace(1.0, 2.0, n)

    def fun(t, y):
        return frequency * np.sin(np.roll(y, 1)) - 0.1 * y

    def solve(limit):
        monkeypatch.setattr(window, "_ONE_SYSTEM", limit)
        return solve_ivp(fun, (0, 10), np.ones(n), method=OURS, rtol=1e-8, atol=1e-8)

    compare(lambda: solve(10**9), lambda: solve(0), size=f"n={n}, s=18", what="one system, s systems")
