"""The compiled activations: within some ulp on the whole line, NaN stays NaN."""

import decimal

import numpy as np
import pytest

from sigmode.compiled import activations, buffers, second_order
from sigmode.compiled.activations import ACTIVATIONS


def ulps(computed, exact):
    """Distance in units in the last place of the exact values, given as Decimal."""
    spacing = np.spacing(np.abs(np.array([float(e) for e in exact])))
    return np.array([abs(decimal.Decimal(float(c)) - e) for c, e in zip(computed, exact, strict=True)], float) / spacing


def exact_sigmoid(z):
    with decimal.localcontext(prec=50):
        return [1 / (1 + (-decimal.Decimal(float(v))).exp()) for v in z]


def exact_tanh(z):
    with decimal.localcontext(prec=50):
        return [1 - 2 / (1 + (2 * decimal.Decimal(float(v))).exp()) for v in z]


def one_unit(name, z):
    """s(z) and Ds(z) through the forward kernel: one unit with w = V = 1, b = 0."""
    theta = np.array([1.0, 0.0, 1.0])
    value, slope, _ = second_order.forward2(theta, 1, 1, ACTIVATIONS[name], z, buffers.borrow(z.size, 1))
    return value[0], slope[0]


class TestActivations:
    def test_sigmoid_is_within_4_ulp_on_the_whole_range(self):
        rng = np.random.default_rng(0)
        z = np.concatenate([np.linspace(-745, 745, 3001), rng.normal(size=2000), rng.uniform(-745, -700, 500)])
        assert ulps(activations.sigmoid(z), exact_sigmoid(z)).max() <= 4

    def test_sigmoid_has_the_right_limits(self):
        z = np.array([-np.inf, -1e300, -800.0, -745.2, -700.0, -0.0, 0.0, 700.0, 800.0, 1e300, np.inf])
        s = activations.sigmoid(z)
        assert s[4] == pytest.approx(9.859676543759770e-305, rel=1e-15)
        np.testing.assert_array_equal(np.delete(s, 4), [0, 0, 0, 0, 0.5, 0.5, 1, 1, 1, 1])

    def test_nan_stays_nan_among_numbers(self):
        z = np.linspace(-3, 3, 40)
        z[[3, 17, 39]] = np.nan
        for name in ACTIVATIONS:
            value, slope = one_unit(name, z)
            np.testing.assert_array_equal(np.isnan(value), np.isnan(z))
            np.testing.assert_array_equal(np.isnan(slope), np.isnan(z))
        np.testing.assert_array_equal(np.isnan(activations.sigmoid(z)), np.isnan(z))

    def test_slopes_keep_their_digits_where_the_value_rounds_to_a_constant(self):
        z = np.array([-300.0, -40.0, 40.0, 300.0])
        np.testing.assert_allclose(one_unit("sigmoid", z)[1], np.exp(-np.abs(z)), rtol=2e-15)
        np.testing.assert_allclose(one_unit("tanh", z)[1], 4 * np.exp(-2 * np.abs(z)), rtol=2e-15)

    def test_tanh_is_within_4_ulp_near_zero_and_far_out(self):
        z = np.concatenate([np.linspace(-20, 20, 2001), np.geomspace(1e-12, 1, 500), -np.geomspace(1e-12, 1, 500)])
        z = z[z != 0]
        assert ulps(one_unit("tanh", z)[0], exact_tanh(z)).max() <= 4

    @pytest.mark.parametrize("size", [1.0, 30.0, 1e3, 9e5, 1e9])
    def test_sin_agrees_with_the_library(self, size):
        z = np.random.default_rng(1).uniform(-size, size, 5000)
        value, slope = one_unit("sin", z)
        np.testing.assert_allclose(value, np.sin(z), rtol=0, atol=4e-16)
        np.testing.assert_allclose(slope, np.cos(z), rtol=0, atol=4e-16)
