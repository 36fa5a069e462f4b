"""Many points in compiled code, one point at a time, and the solution in a user's own compiled code."""

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import sigmode as sm
from sigmode.trial.form import FORMS
from sigmode.trial.network import Network
from sigmode.trial.piecewise import compiled_values

ENDS = {"rising": np.array([1.0, 3.0, 3.5, 9.0]), "falling": np.array([9.0, 3.5, 3.0, 1.0])}


def made(ends="rising", activation="sigmoid", shared=True, bias=True, n=2, dtype=float, form=(1, "initial")):
    """A random solution of three windows."""
    net = Network(n, 5, activation, bias)
    rng = np.random.default_rng(3)
    theta, y, second = rng.normal(size=(3, net.n_theta)), rng.normal(size=(3, n)), rng.normal(size=(3, n))
    if dtype is complex:
        theta = theta + 1j * rng.normal(size=theta.shape) * (np.arange(net.n_theta) >= 2 * net.n_hidden)
        y = y + 1j * rng.normal(size=y.shape)
    if shared:
        theta[:, : 2 * net.n_hidden] = theta[0, : 2 * net.n_hidden]
    x = ENDS[ends]
    return sm.Solution(x, y, theta, net, h=np.diff(x) * [1.0, 1.0, 1.5], form=FORMS[form], second=second)


def naively(sol, t, nu):
    """The nu-th derivative at one point by the definition, one window and one number at a time."""
    k = max(i for i, start in enumerate(sol.x[:-1]) if i == 0 or (t - start) * np.sign(sol.h[0]) >= 0)
    h, xi = sol.h[k], (t - sol.x[k]) / sol.h[k]
    N = [sol.network.derivative(sol.theta[k], np.array([xi]), i)[:, 0] for i in range(nu + 1)]
    value = xi * N[nu] + (nu * N[nu - 1] if nu else 0.0)
    return value / h**nu + (sol.y[k] if nu == 0 else 0.0)


@pytest.mark.parametrize("order", ["in order", "shuffled", "backwards"])
@pytest.mark.parametrize("case", [
    {}, {"ends": "falling"}, {"activation": "tanh"}, {"activation": "sin"}, {"shared": False}, {"bias": False},
    {"n": 1}, {"dtype": complex}, {"dtype": complex, "shared": False, "ends": "falling"},
])  # fmt: skip
def test_many_points_are_what_single_ones_are(case, order):
    sol = made(**case)
    x = np.linspace(0.5, 9.5, 1001)
    x = np.random.default_rng(0).permutation(x) if order == "shuffled" else x[::-1] if order == "backwards" else x
    for nu in range(4):
        for outside in (False, True):
            found = compiled_values(sol, np.ascontiguousarray(x), nu, outside)
            inside = outside | ((x >= 1.0) & (x <= 9.0))
            expected = np.array([naively(sol, t, nu) for t in x]).T
            assert_allclose(found[:, inside], expected[:, inside], rtol=1e-12, atol=1e-12)
            assert np.isnan(found[:, ~inside]).all()


def test_a_call_with_many_points_takes_this_way():
    sol = made()
    x = np.linspace(1.0, 9.0, 50_000)
    many, few = sol(x), np.concatenate([sol(part) for part in np.array_split(x, 10)], axis=1)
    assert_allclose(many, few, rtol=1e-13, atol=1e-13)
    assert_array_equal(sol(x[::2]), many[:, ::2])
    assert_allclose(sol(x, 4), np.concatenate([sol(part, 4) for part in np.array_split(x, 10)], axis=1), rtol=1e-9)
    assert np.isnan(sol(np.full(50_000, np.nan))).all()


@pytest.mark.parametrize("case", [{}, {"ends": "falling"}, {"activation": "tanh"}, {"shared": False}, {"bias": False},
                                  {"dtype": complex}])  # fmt: skip
def test_one_point_is_what_many_are(case):
    sol = made(**case)
    x = np.array([1.0, 1.3, 3.0, 3.2, 3.5, 7.0, 9.0])
    for nu in range(4):
        assert_allclose(np.array([sol(float(t), nu) for t in x]).T, sol(x, nu), rtol=1e-12, atol=1e-13)
    for outside in (0.0, 10.0, np.nan, np.inf, -np.inf):
        assert np.isnan(sol(outside)).all()
    assert np.isfinite(sol(10.0, extrapolate=True)).all()
    assert_array_equal(sol(3), sol(3.0))


CASES = [({}, form) for form in FORMS]
CASES += [({"ends": "falling", "shared": False}, (1, "initial")), ({"activation": "sin"}, (2, "initial"))]


@pytest.mark.parametrize(("case", "form"), CASES)
def test_in_compiled_code(case, form):
    sol = made(**case, form=form)
    x = np.linspace(1.0, 9.0, 41)
    for nu in (0, 1, 3) if not case else (2,):
        y = sol.compiled(nu)
        assert_allclose(np.array([y(t) for t in x]).T, sol(x, nu), rtol=1e-12, atol=1e-13)
        assert np.isnan(y(0.5)).all()


def test_in_compiled_code_outside_of_the_span():
    sol = made()
    assert_allclose(sol.compiled(extrapolate=True)(0.5), sol(0.5, extrapolate=True), rtol=1e-13)


def test_in_compiled_code_complex_and_in_parallel():
    sol = sm.solve_ivp(lambda t, y: 1j * y, (0, 20), [1.0 + 0j], rtol=1e-8, atol=1e-8).sol
    y = sol.compiled()
    del sol

    @numba.njit(parallel=True)
    def values(x):
        found = np.empty(x.size, dtype=np.complex128)
        for i in numba.prange(x.size):
            found[i] = y(x[i])[0]
        return found

    x = np.linspace(0, 20, 1001)
    assert_allclose(values(x), np.exp(1j * x), atol=1e-7)


@pytest.mark.parametrize("nu", [-1, 4, 1.5, None])
def test_in_compiled_code_no_other_derivatives(nu):
    with pytest.raises(ValueError, match="`nu` must be an integer from 0 to 3"):
        made().compiled(nu)


@pytest.mark.parametrize("dtype", [float, complex])
def test_files_hold_a_shared_hidden_layer_once(tmp_path, dtype):
    sol = made(dtype=dtype)
    sol.save(tmp_path / "shared")
    back = sm.Solution.load(tmp_path / "shared")
    assert_array_equal(back.theta, sol.theta)
    with np.load(tmp_path / "shared") as file:
        assert file["hidden"].shape == (10,)
        assert file["theta"].shape == (3, 12)
        whole = {**file, "theta": sol.theta}
    del whole["hidden"]
    with open(tmp_path / "earlier", "wb") as stream:
        np.savez(stream, **whole)
    assert_array_equal(sm.Solution.load(tmp_path / "earlier").theta, sol.theta)
