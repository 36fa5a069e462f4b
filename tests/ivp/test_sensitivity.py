"""`sensitivity` against closed forms and the variational equations."""

import math

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp as scipy_solve_ivp

import sigmode as sm

KNOWN = {}  # plain and compiled f have the same derivatives


def known(name, p, t):
    """`variational` at the times t, worked out once."""
    if name not in KNOWN:
        KNOWN[name] = variational(p, t, p.method)
    return KNOWN[name]


def variational(p, t, method="DOP853"):
    """The derivatives (n, n + k) at the times t, by SciPy, df/dy and df/dp by the complex step."""
    y0, args = np.array(p.y0, dtype=float), np.array(p.args)
    n, k = y0.size, args.size

    def rhs(t, z):
        y, S = z[:n], z[n:].reshape(n, n + k)
        f = lambda y, args: np.array(p.fun(t, y, *args))
        J = np.array([f(y + 1e-30j * row, args).imag / 1e-30 for row in np.eye(n)]).T
        F = np.array([f(y.astype(complex), args + 1e-30j * row).imag / 1e-30 for row in np.eye(k)]).T.reshape(n, k)
        dS = J @ S
        dS[:, n:] += F
        return np.concatenate([f(y, args), dS.ravel()])

    z0 = np.concatenate([y0, np.hstack([np.eye(n), np.zeros((n, k))]).ravel()])
    res = scipy_solve_ivp(rhs, p.span, z0, method=method, t_eval=t, rtol=3e-13, atol=1e-17)
    assert res.success
    return res.y[n:].reshape(n, n + k, len(t))


class P:
    def __init__(self, fun, span, y0, args, atol=1e-11, method="DOP853"):
        self.fun, self.span, self.y0, self.args, self.atol, self.method = fun, span, y0, args, atol, method


PROBLEMS = {
    "decay": P(lambda t, y, k: (-k * y[0],), (0, 3), [2.0], (0.7,)),
    "backwards": P(lambda t, y, k: (-k * y[0] + np.sin(k * t),), (2, -1), [1.0], (0.7,)),
    "logistic": P(lambda t, y, r, K: (r * y[0] * (1 - y[0] / K),), (0, 8), [0.1], (1.2, 3.0)),
    "Lotka-Volterra": P(
        lambda t, y, a, b, c, d: (a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]),
        (0, 10),
        [10.0, 5.0],
        (1.5, 1.0, 3.0, 1.0),
    ),
    "pendulum": P(lambda t, y, w, c: (y[1], -w * np.sin(y[0]) - c * y[1]), (0, 10), [2.0, 0.0], (1.3, 0.1)),
    "FitzHugh-Nagumo": P(
        lambda t, y, a, b, c: (c * (y[0] - y[0] ** 3 / 3 + y[1]), -(y[0] - a + b * y[1]) / c),
        (0, 10),
        [-1.0, 1.0],
        (0.2, 0.2, 3.0),
    ),
    "Lorenz": P(
        lambda t, y, s, r, b: (s * (y[1] - y[0]), y[0] * (r - y[2]) - y[1], y[0] * y[1] - b * y[2]),
        (0, 4),
        [1.0, 1.0, 1.0],
        (10.0, 28.0, 8 / 3),
    ),
    "SEIR": P(
        lambda t, y, b, s, g: (-b * y[0] * y[2], b * y[0] * y[2] - s * y[1], s * y[1] - g * y[2], g * y[2]),
        (0, 60),
        [0.99, 0.01, 0.0, 0.0],
        (0.5, 0.2, 0.1),
    ),
    "ROBER": P(
        lambda t, y, k1, k2, k3: (
            -k1 * y[0] + k3 * y[1] * y[2],
            k1 * y[0] - k3 * y[1] * y[2] - k2 * y[1] ** 2,
            k2 * y[1] ** 2,
        ),
        (0, 4000),
        [1.0, 0.0, 0.0],
        (0.04, 3e7, 1e4),
        1e-14,
        "Radau",
    ),
    "van der Pol": P(lambda t, y, m: (y[1], m * (1 - y[0] ** 2) * y[1] - y[0]), (0, 60), [2.0, 0.0], (50.0,), 1e-12),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_against_the_variational_equations(name, compiled):
    p = PROBLEMS[name]
    fun = numba.njit(p.fun) if compiled else lambda t, y, *args: np.array(p.fun(t, y, *args))
    t = np.linspace(*p.span, 4)[1:]
    res = sm.sensitivity(fun, p.span, p.y0, args=p.args, t_eval=t, rtol=1e-8, atol=p.atol)
    assert res.success
    n, k = len(p.y0), len(p.args)
    assert res.dy_dy0.shape == res.error_dy_dy0.shape == (n, n, 3)
    assert res.dy_dp.shape == res.error_dy_dp.shape == (n, k, 3)
    exact = known(name, p, t)
    found, error = np.hstack([res.dy_dy0, res.dy_dp]), np.hstack([res.error_dy_dy0, res.error_dy_dp])
    scale = abs(exact).max(axis=(0, 2), keepdims=True)
    assert (abs(found - exact) / scale).max() < 1e-6
    # errors of differences, 1e-9 relative, are in both marches alike
    assert (abs(found - exact) <= 3.0 * error + 3e-9 * scale).all()


@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
def test_errors_follow_the_tolerance(rtol):
    p = PROBLEMS["pendulum"]
    t = np.linspace(1, 10, 10)
    res = sm.sensitivity(numba.njit(p.fun), p.span, p.y0, args=p.args, t_eval=t, rtol=rtol, atol=rtol)
    true = abs(np.hstack([res.dy_dy0, res.dy_dp]) - variational(p, t))
    error = np.hstack([res.error_dy_dy0, res.error_dy_dp])
    assert (true <= 3.0 * error + 1e-9).all()
    assert error.max() < 30.0 * rtol
    assert true.max() < 10.0 * rtol


def test_anywhere_by_its_solution():
    res = sm.sensitivity(lambda t, y, k: -k * y, (0, 2), [3.0], args=(0.5,), rtol=1e-9, atol=1e-12)
    t = np.linspace(0, 2, 33)
    assert_allclose(res.sol(t)[0], 3 * np.exp(-0.5 * t), rtol=1e-8)
    assert_allclose(res.sol.dy_dy0(t)[0, 0], np.exp(-0.5 * t), rtol=1e-8)
    assert_allclose(res.sol.dy_dp(t)[0, 0], -3 * t * np.exp(-0.5 * t), rtol=1e-8, atol=1e-9)
    assert res.sol.dy_dp(1.0).shape == (1, 1)
    y, by_y0, by_p = res.sol.error(t)
    assert y.shape == (1, 33)
    assert by_y0.shape == by_p.shape == (1, 1, 33)
    assert np.isnan(res.sol.dy_dp(3.0)).all()
    assert_allclose(res.dy_dp[0, 0], res.sol.dy_dp(res.t)[0, 0])


def test_the_users_own_derivatives():
    p = PROBLEMS["pendulum"]
    calls = []
    jac = lambda t, y, w, c: [[0.0, 1.0], [-w * math.cos(y[0]), -c]]
    df_dp = lambda t, y, w, c: calls.append(t) or np.array([[0.0, 0.0], [-math.sin(y[0]), -y[1]]])
    fun = lambda t, y, w, c: [y[1], -w * math.sin(y[0]) - c * y[1]]
    t = [5.0, 10.0]
    res = sm.sensitivity(fun, p.span, p.y0, args=p.args, t_eval=t, jac=jac, df_dp=df_dp, rtol=1e-9, atol=1e-11)
    assert calls
    assert_allclose(np.hstack([res.dy_dy0, res.dy_dp]), variational(p, t), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["jac", "df_dp"])
def test_a_wrong_derivative_is_replaced_with_a_warning(name):
    p = PROBLEMS["pendulum"]
    right = {
        "jac": lambda t, y, w, c: np.array([[0.0, 1.0], [-w * math.cos(y[0]), -c]]),
        "df_dp": lambda t, y, w, c: np.array([[0.0, 0.0], [-math.sin(y[0]), -y[1]]]),
    }
    wrong = right | {name: lambda *arguments: 1.1 * right[name](*arguments)}
    fun = lambda t, y, w, c: [y[1], -w * math.sin(y[0]) - c * y[1]]
    with pytest.warns(UserWarning, match=f"`{name}` does not agree with differences of `fun`"):
        res = sm.sensitivity(fun, p.span, p.y0, args=p.args, t_eval=[10.0], rtol=1e-9, atol=1e-11, **wrong)
    assert_allclose(np.hstack([res.dy_dy0, res.dy_dp]), variational(p, [10.0]), rtol=1e-6, atol=1e-7)


def test_what_counts_as_a_parameter():
    fun = lambda t, y, a, table, name, on: [-a * y[0] + table[0] - 2 * table[1] if on and name else 0.0]
    res = sm.sensitivity(fun, (0, 1), [0.0], args=(1, np.array([3, 4]), "x", True), rtol=1e-9, atol=1e-12)
    assert res.dy_dp.shape[:2] == (1, 3)
    assert_allclose(res.dy_dp[0, 1:, -1], [1 - 1 / np.e, -2 + 2 / np.e], rtol=1e-8)
    none = sm.sensitivity(lambda t, y: -y, (0, 1), [1.0, 2.0])
    assert none.dy_dp.shape[:2] == (2, 0)
    assert_allclose(none.dy_dy0[:, :, -1], np.eye(2) / np.e, rtol=1e-5, atol=1e-9)
    still = sm.sensitivity(lambda t, y, a: a * y, (1, 1), [1.0], args=(2.0,))
    assert_allclose(still.dy_dy0[0, 0], 1.0)
    assert_allclose(still.dy_dp[0, 0], 0.0)


def test_arrays_among_the_parameters_of_compiled_f():
    fun = numba.njit(lambda t, y, a, table, on: (-a * y[0] + table[0] - 2 * table[1] if on else 0.0,))
    res = sm.sensitivity(fun, (0, 1), [0.0], args=(1, np.array([3.0, 4.0]), True), rtol=1e-9, atol=1e-12)
    # y = c (1 - exp(-a t))/a with c = table[0] - 2 table[1] = -5
    assert_allclose(res.dy_dp[0, :, -1], [5 * (1 - 2 / np.e), 1 - 1 / np.e, -2 + 2 / np.e], rtol=1e-8)
    assert_allclose(res.dy_dy0[0, 0, -1], 1 / np.e, rtol=1e-8)


def test_a_blow_up_is_no_success():
    res = sm.sensitivity(lambda t, y, a: y**2 - a, (0, 3), [2.0], args=(1.0,))
    assert not res.success
    assert res.dy_dp.shape[:2] == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"fun": 1}, TypeError, "`fun`"),
        ({"jac": 1}, TypeError, "`jac`"),
        ({"df_dp": np.eye(2)}, TypeError, "`df_dp`"),
        ({"args": 1.0}, TypeError, "`args` must be a tuple"),
        ({"args": (1j,)}, ValueError, "complex"),
        ({"y0": [1j]}, ValueError, "`y0` is complex"),
        ({"events": lambda t, y, a: y[0]}, ValueError, "`events`"),
        ({"df_dp": lambda t, y, a: np.ones((1, 2))}, ValueError, r"`df_dp` must return .* \(1, 1\)"),
        ({"t_eval": [5.0]}, ValueError, "not within"),
    ],
)
def test_bad_input(arguments, kind, message):
    with pytest.raises(kind, match=message):
        sm.sensitivity(**{"fun": lambda t, y, a: -a * y, "t_span": (0, 1), "y0": [1.0], "args": (1.0,), **arguments})


def test_a_warning_at_kinks():
    with pytest.warns(UserWarning, match="kinks or jumps along the solution"):
        sm.sensitivity(lambda t, y, a: a * abs(y - 1.5) - 2, (0, 2), [3.0], args=(0.9,), rtol=1e-8, atol=1e-9)


def test_no_times():
    res = sm.sensitivity(lambda t, y, a: -a * y, (0, 2), [3.0, 1.0], args=(0.9,), t_eval=[])
    assert res.dy_dp.shape == (2, 1, 0)
    assert res.dy_dy0.shape == (2, 2, 0)


@pytest.mark.parametrize("w", [0.5, 100.0])
def test_compiled_f_that_returns_an_array_on_many_windows(w):
    # the points of many windows came in Fortran's order, which compiled f does not take
    fun = numba.njit(lambda t, y, w: np.array([y[1], -w * w * y[0]]))
    res = sm.sensitivity(fun, (0.0, 30.0), [1.0, 0.0], args=(w,), t_eval=[30.0], rtol=1e-9, atol=1e-9)
    assert_allclose(res.dy_dp[0, 0, 0], -30.0 * math.sin(w * 30.0), rtol=1e-4, atol=1e-4)


def test_without_an_estimate():
    fun = lambda t, y, k: -k * y
    with_it, without = (sm.sensitivity(fun, (0, 2), [3.0], args=(0.5,), estimate=value) for value in (True, False))
    assert_allclose(without.dy_dp, with_it.dy_dp, rtol=1e-14)
    assert np.isfinite(with_it.error_dy_dp).all()
    assert np.isnan(without.error_dy_dp).all()
    assert without.nfev < with_it.nfev


def test_what_is_shown():
    res = sm.sensitivity(lambda t, y, k, c: [-k * y[0], c], (0, 2), [3.0, 1.0], args=(0.5, 1.0))
    assert repr(res.sol) == "<SensitivitySolution of 2 equations on [0, 2]: by 2 initial values and 2 parameters>"
