"""Piecewise polynomials: within the error that is asked for, and what SciPy then makes of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import PPoly

import sigmode as sm
from sigmode.trial.form import FORMS
from sigmode.trial.network import Network


def circle(span, dtype=float):
    if dtype is complex:
        return sm.solve_ivp(lambda t, y: 1j * y, span, [np.exp(1j * span[0])], rtol=1e-11, atol=1e-11).sol
    y0 = [np.sin(span[0]), np.cos(span[0])]
    return sm.solve_ivp(lambda t, y: [y[1], -y[0]], span, y0, rtol=1e-11, atol=1e-11).sol


@pytest.mark.parametrize("error", [1e-2, 1e-5, 1e-8, 1e-11, 1e-13])
@pytest.mark.parametrize("span", [(0.0, 20.0), (20.0, 0.0)])
def test_within_the_error(span, error):
    sol = circle(span)
    p = sol.to_ppoly(error)
    assert type(p) is PPoly
    x = np.linspace(*span, 100_003)[1:-1]
    off = abs(p(x) - sol(x)).max()
    assert off <= error
    assert off > 1e-3 * error or error > 1e-6  # and not much better: pieces are not wasted
    assert_array_equal(p.x[[0, -1]], span)
    assert (np.diff(p.x) * (span[1] - span[0]) > 0).all()
    assert p(1.0).shape == (2,)
    border = p.x[1:-1]
    assert_allclose(p(np.nextafter(border, -np.inf)), p(np.nextafter(border, np.inf)), rtol=0, atol=1e-13)
    assert np.isnan(p([-1.0, 21.0])).all()


def test_what_scipy_makes_of_it():
    for span in ((0.0, 20.0), (20.0, 0.0)):
        sol = circle(span)
        p = sol.to_ppoly(1e-11)
        assert_allclose(p.integrate(1.0, 19.0), [np.cos(1) - np.cos(19), np.sin(19) - np.sin(1)], rtol=0, atol=1e-9)
        assert_allclose(p.derivative()(3.0), [np.cos(3), -np.sin(3)], rtol=0, atol=1e-8)
        roots = np.sort(p.roots()[0])
        assert_allclose(roots[roots > 1e-3], np.pi * np.arange(1, 7), rtol=1e-10)


def test_errors_of_components_differ():
    sol = circle((0.0, 20.0))
    x = np.linspace(0, 20, 10_001)
    p = sol.to_ppoly([1e-3, 1e-10])
    assert abs(p(x)[1] - sol(x)[1]).max() <= 1e-10
    assert p.x.size > sol.to_ppoly(1e-3).x.size


def test_complex():
    sol = circle((0.0, 20.0), complex)
    p = sol.to_ppoly(1e-9)
    x = np.linspace(0, 20, 10_001)
    assert abs(p(x) - sol(x)).max() <= 1e-9
    assert_allclose(p(x)[0], np.exp(1j * x), rtol=0, atol=2e-9)


@pytest.mark.parametrize("slope", [4.0, 1e3])
@pytest.mark.parametrize("form", FORMS)
def test_of_every_form_and_of_steep_units(form, slope):
    net = Network(2, 6, "tanh", True)
    rng = np.random.default_rng(2)
    theta = rng.normal(size=(1, net.n_theta))
    theta[:, :6] *= slope
    theta[:, 6:12] = -theta[:, :6] * rng.uniform(0.0, 1.0, 6)
    sol = sm.Solution(
        np.array([1.0, 4.0]), rng.normal(size=(1, 2)), theta, net, form=FORMS[form], second=rng.normal(size=(1, 2)),
        extrapolate=True,
    )  # fmt: skip
    p = sol.to_ppoly(1e-9)
    x = np.linspace(1.0, 4.0, 200_001)
    assert abs(p(x) - sol(x)).max() <= 1e-9
    assert np.isfinite(p(4.01)).all()


def test_where_x_is_not_exact_enough_the_message_says_so():
    res = sm.solve_bvp(
        lambda x, y: np.vstack([y[1], (y[1] - 1.0) * 1e6]), lambda a, b: np.array([a[0], b[0]]), [0.0, 0.5, 1.0],
        np.zeros((2, 3)), tol=1e-8,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"pieces, got 1e-06\. Component 1 is steep at x = 1, the rounding of x alone"):
        res.sol.to_ppoly(1e-6)
    p, x = res.sol.to_ppoly([1e-8, 1e-2]), 1.0 - np.geomspace(1e-8, 1.0, 1000)
    assert (abs(p(x) - res.sol(x)).max(axis=1) <= [1e-8, 1e-2]).all()


@pytest.mark.parametrize(("error", "message"), [
    (0.0, "`error` must be positive, got 0.0"), (-1e-3, "`error` must be positive"),
    (np.nan, "components of `error` must be"),
    ([1e-3] * 3, r"`error` has wrong shape: expected \(\) or \(2,\), got \(3,\)"),
    ("a", "`error` must be real numbers"),
    (1e-17, "`error` must be above the rounding errors of component 0"), (1j, "`error` is complex, but must be real"),
])  # fmt: skip
def test_bad_errors(error, message):
    with pytest.raises(ValueError, match=message):
        circle((0.0, 2.0)).to_ppoly(error)


def test_a_span_of_no_length():
    with pytest.raises(ValueError, match="no length"):
        sm.solve_ivp(lambda t, y: -y, (1, 1), [1.0]).sol.to_ppoly(1e-3)
