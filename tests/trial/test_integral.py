"""Integrals: against dilogarithms, adaptive quadrature of the formula, and problems with closed forms."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.special import expit, spence

import sigmode as sm
from sigmode.trial.form import FORMS
from sigmode.trial.network import Network

RISING, FALLING = (1.0, 3.0, 3.5, 6.0), (6.0, 3.5, 3.0, 1.0)


def made(x=RISING, activation="sigmoid", slope=4.0, form=(1, "initial"), dtype=float, shared=False):
    """A random solution of two components whose units sit within and beyond the windows, on both sides."""
    net = Network(2, 5, activation, True)
    rng = np.random.default_rng(1)
    theta = rng.normal(size=(len(x) - 1, net.n_theta))
    theta[:, :5] = slope * np.array([1.0, -1.0, 0.7, -1.5, 1.0])
    theta[:, 5:10] = -theta[:, :5] * rng.uniform(-0.3, 1.3, 5 if shared else (len(theta), 5))
    if dtype is complex:
        theta = theta + 1j * np.where(np.arange(net.n_theta) < 10, 0.0, rng.normal(size=theta.shape))
    y, second = rng.normal(size=(2, len(theta), 2)).astype(dtype)
    h = np.diff(x) * np.linspace(1.0, 1.25, len(theta))  # some windows were cut off
    return sm.Solution(np.array(x), y, theta, net, h=h, form=FORMS[form], second=second)


def primitive(activation, w, b, xi):
    """The integral of xi s(w xi + b) by xi, by parts: sigmoids lead to logarithms and dilogarithms."""
    z = w * xi + b
    if activation == "sin":
        return -xi * np.cos(z) / w + np.sin(z) / w**2
    if activation == "tanh":
        return 2.0 * primitive("sigmoid", 2.0 * w, 2.0 * b, xi) - xi**2 / 2.0
    dilogarithm = np.where(
        z > 0.0, z**2 / 2.0 + np.pi**2 / 6.0 + spence(1 + np.exp(-abs(z))), -spence(1 + np.exp(-abs(z)))
    )
    return xi * np.logaddexp(0.0, z) / w - dilogarithm / w**2


def by_parts(sol, a, b):
    """The integral from a to b, a before b in the order of the span, window by window."""
    total = np.zeros(sol.n, dtype=sol.theta.dtype)
    sign = np.sign(sol.h[0])
    for k in range(len(sol.y)):
        lo, hi = (np.clip(t, *sorted(sol.x[k : k + 2])) for t in (a, b))
        if sign * (hi - lo) <= 0.0:
            continue
        lo, hi = (lo - sol.x[k]) / sol.h[k], (hi - sol.x[k]) / sol.h[k]
        w, bias, V, c = sol.network.split(sol.theta[k])
        of_units = primitive(sol.network.activation, w, bias, hi) - primitive(sol.network.activation, w, bias, lo)
        total += sol.h[k] * ((hi - lo) * sol.y[k] + V @ of_units + c * (hi**2 - lo**2) / 2.0)
    return total


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("x", [RISING, FALLING])
@pytest.mark.parametrize(("activation", "slope"), [
    ("sigmoid", 4.0), ("tanh", 4.0), ("sin", 4.0), ("sigmoid", 60.0), ("sigmoid", 1e5), ("tanh", 1e3), ("sin", 100.0),
])  # fmt: skip
def test_of_every_network_to_rounding(activation, slope, x, shared, dtype):
    sol = made(x, activation, slope, dtype=dtype, shared=shared)
    Y = sol.antiderivative()
    for a, b in ((x[0], x[-1]), (x[0], 2.2), (2.2, x[-1]), (2.1, 2.9), (3.4, 3.45), (2.9, 3.6), (3.0, 3.5)):
        a, b = (a, b) if (b - a) * (x[-1] - x[0]) > 0.0 else (b, a)
        expected = by_parts(sol, a, b)
        assert_allclose(sol.integrate(a, b), expected, rtol=0, atol=3e-14)
        assert_array_equal(sol.integrate(b, a), -sol.integrate(a, b))
        assert_allclose(Y(b) - Y(a), expected, rtol=0, atol=3e-14)
    assert sol.integrate(2.0, 2.0).tolist() == [0.0, 0.0]
    assert sol.integrate(2, np.float64(3.0)).shape == (2,)
    assert Y(x[0]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("x", [(1.0, 4.0), (4.0, 1.0)])
def test_of_every_form(x, form):
    sol = made(x, form=form)
    w, b, V, c = sol.network.split(sol.theta[0])

    def y(t, k):
        xi = (t - x[0]) / sol.h[0]
        N = V[k] @ expit(w * xi + b) + c[k]
        first, second = sol.y[0, k], sol.second[0, k]
        return {
            (1, "initial"): first + xi * N,
            (2, "initial"): first + second * (t - x[0]) + xi**2 * N,
            (2, "two-point"): (1 - xi) * first + xi * second + xi * (1 - xi) * N,
        }[form]

    Y = sol.antiderivative()
    for a, c0 in ((1.0, 4.0), (1.5, 2.0), (3.9, 1.1)):
        expected = [quad(y, a, c0, args=(k,), epsabs=1e-12, epsrel=1e-12)[0] for k in range(2)]
        assert_allclose(sol.integrate(a, c0), expected, rtol=1e-13, atol=1e-13)
        assert_allclose(Y(c0) - Y(a), expected, rtol=1e-13, atol=1e-13)


def test_outside_of_the_span_as_a_call():
    for x in (RISING, FALLING):
        sol = made(x)
        Y = sol.antiderivative()
        for a, b in ((0.5, 3.0), (3.0, 6.5), (0.5, 0.7), (6.5, 0.5)):
            assert np.isnan(sol.integrate(a, b)).all()
            y = lambda t, k, sol=sol: sol(t, extrapolate=True)[k]
            options = {"points": (1.0, 3.0, 3.5, 6.0), "limit": 200, "epsabs": 1e-11, "epsrel": 1e-11}
            expected = [quad(y, a, b, args=(k,), **options)[0] for k in range(2)]
            assert_allclose(sol.integrate(a, b, extrapolate=True), expected, rtol=1e-12)
            assert_allclose(Y(b, extrapolate=True) - Y(a, extrapolate=True), expected, rtol=1e-12)
        assert np.isnan(Y([0.5, 2.0, np.nan, 7.0])).tolist() == [[True, False, True, True]] * 2
        own = sm.Solution(sol.x, sol.y, sol.theta, sol.network, h=sol.h, extrapolate=True)
        assert_array_equal(own.integrate(0.5, 3.0), sol.integrate(0.5, 3.0, extrapolate=True))
        assert np.isnan(own.integrate(0.5, np.inf)).all()
        assert np.isnan(own.integrate(np.nan, 3.0)).all()


@pytest.mark.parametrize("ends", [("a", 1.0), (1.0, None), ([1.0, 2.0], 3.0), (1j, 2.0)])
def test_ends_are_numbers(ends):
    with pytest.raises(ValueError, match=r"`[ab]` must be a number, got"):
        made().integrate(*ends)


@pytest.mark.parametrize("span", [(0.0, 30.0), (30.0, 0.0)])
def test_of_a_march(span):
    """y = (sin, cos): the integral is off by no more than the integral of the error."""
    y0 = [np.sin(span[0]), np.cos(span[0])]
    sol = sm.solve_ivp(lambda t, y: [y[1], -y[0]], span, y0, rtol=1e-10, atol=1e-10).sol
    Y, t = sol.antiderivative(), np.linspace(0.0, 30.0, 301)
    exact = np.array([np.cos(span[0]) - np.cos(t), np.sin(t) - np.sin(span[0])])
    assert (abs(Y(t) - exact) <= 1.5 * Y.error(t) + 1e-13).all()
    assert (Y.error(t) <= 1e-10 * 2 * 30).all()
    assert_allclose(Y(t, 1), sol(t), rtol=0, atol=0)
    assert_allclose(Y(t, nu=2), sol(t, 1), rtol=0, atol=0)
    assert_allclose(Y(t) - Y(7.0)[:, None], np.array([sol.integrate(7.0, b) for b in t]).T, rtol=0, atol=1e-13)
    dense = np.linspace(span[0], 20.0, 200_001)
    assert_allclose(Y.error(20.0), abs(np.trapezoid(sol.error(dense), dense)), rtol=1e-6)
    assert (Y.n, Y.span) == (2, span)


def test_shapes_of_the_antiderivative():
    Y = made().antiderivative()
    t = np.linspace(1.0, 6.0, 24).reshape(2, 3, 4)
    assert_array_equal(Y(t), Y(t.ravel()).reshape(2, 2, 3, 4))
    assert Y(2.0).shape == Y.error(2.0).shape == (2,)
    assert Y(np.empty((0, 3))).shape == (2, 0, 3)
    assert np.isnan(Y.error(t)).all()
    with pytest.raises(ValueError, match="`x` must be"):
        Y("a")
    for nu in (-1, 0.5, None):
        with pytest.raises(ValueError, match="`nu` must be a non-negative integer, got"):
            Y(2.0, nu)
    assert_array_equal(pickle.loads(pickle.dumps(Y))(t), Y(t))


def test_what_stays_where_it_is():
    sol = sm.solve_ivp(lambda t, y: 0 * y, (0, 2), [3.0, -1.0]).sol
    assert_allclose(sol.integrate(0.5, 1.5), [3.0, -1.0], rtol=1e-15)
    still = sm.solve_ivp(lambda t, y: -y, (2, 2), [3.0]).sol
    nothing = sm.solve_ivp(lambda t, y: y, (0, 2), []).sol
    assert nothing.integrate(0, 1).shape == (0,)
    assert nothing.antiderivative()([0.5, 1.0]).shape == (0, 2)
    assert still.integrate(2, 2).tolist() == still.antiderivative()(2.0).tolist() == [0.0]
