"""A user's f, one point after the other."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigmode.user.field import VectorField


@pytest.mark.parametrize("kinds", ["lll", "aaa", "aal", "ala", "laa", "lal"])
def test_values_that_come_one_by_one_may_be_lists_and_arrays(kinds):
    """Numbers in lists are gathered; what comes as an array is written at once."""
    order = iter(kinds)

    def fun(t, y):
        values = [2.0 * y[0], t]
        return values if next(order) == "l" else np.array(values)

    field = VectorField(fun, 2, np.dtype(float), False)
    field._whole = False  # no call for all of them
    t, Y, K = np.array([1.0, 2.0, 4.0]), np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 0.0]]), np.empty((3, 2))
    field.nodes(t, Y, K)
    assert_array_equal(K, [[2.0, 1.0], [6.0, 2.0], [10.0, 4.0]])


def in_the_same_list():
    values = [0.0, 0.0]

    def fun(t, y):
        values[:] = 2.0 * y[0], t
        return values

    return fun


def in_the_same_arrays():
    values = [np.zeros(()), np.zeros(())]

    def fun(t, y):
        values[0][...], values[1][...] = 2.0 * y[0], t
        return values

    return fun


def in_the_same_array():
    values = np.zeros(2)

    def fun(t, y):
        values[:] = 2.0 * y[0], t
        return values

    return fun


@pytest.mark.parametrize("fun", [in_the_same_list(), in_the_same_arrays(), in_the_same_array()])
def test_values_may_come_in_the_same_place_every_time(fun):
    field = VectorField(fun, 2, np.dtype(float), False)
    field._whole = False
    t, Y, K = np.array([1.0, 2.0]), np.array([[1.0, 0.0], [3.0, 0.0]]), np.empty((2, 2))
    field.nodes(t, Y, K)
    assert_array_equal(K, [[2.0, 1.0], [6.0, 2.0]])
