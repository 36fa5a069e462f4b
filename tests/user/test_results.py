"""What a user's function returned: taken as it is, turned into what is needed, or named in an error."""

import numpy as np
import pytest

from sigmode.user.results import checked, parts


def test_what_fits_is_not_copied():
    value = np.zeros((2, 3))
    assert checked(value, (2, 3), "fun") is value


@pytest.mark.parametrize(
    ("value", "shape"),
    [([1, 2], (2,)), ((1.0, 2.0), (2,)), (3.0, (1,)), (np.float32([1, 2]), (2,)), (np.array([1, 2], object), (2,))],
)
def test_numbers_of_other_kinds_become_float64(value, shape):
    array = checked(value, shape, "fun")
    assert array.dtype == np.float64
    assert array.shape == shape


def test_arrays_that_kernels_do_not_take_are_copied():
    """Fortran order, read-only (as from JAX or `broadcast_to`), or a part of something."""
    for value in (np.zeros((3, 2)).T, np.broadcast_to(1.0, (2, 3)), np.zeros((2, 6))[:, ::2]):
        assert checked(value, (2, 3), "fun").flags.carray


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        (None, (2,), "`g` must return an array of shape .* returned None. Is a `return` missing?"),
        ([1, [2]], (2,), "rows of different lengths"),
        (np.zeros((2, 1)), (2,), "Return y's own shape: a flat array"),
        (np.zeros((3, 2)), (2, 3), "one column per point"),
        (["a", "b"], (2,), "`g` must return real numbers"),
        (np.array([1, "a"], object), (2,), "`g` must return real numbers"),
        ([1j, 2], (2,), "`g` returned complex values; do this."),
        (1.0, (2,), r"shape \(2,\), it returned shape \(\)"),
    ],
)
def test_what_does_not_fit_is_said(value, shape, message):
    with pytest.raises(ValueError, match=message):
        checked(value, shape, "g", advice="do this")


@pytest.mark.parametrize("kind", [tuple, list, np.array])
def test_several_arrays_come_in_a_tuple_a_list_or_one_array(kind):
    first, second = parts(kind([np.zeros((2, 2)), np.ones((2, 2))]), [(2, 2), (2, 2)], "bc_jac")
    assert (first == 0.0).all()
    assert (second == 1.0).all()


@pytest.mark.parametrize(
    ("value", "came"), [(None, "NoneType"), (np.zeros((2, 2)), "ndarray"), ([np.zeros((2, 2))], "list of length 1")]
)
def test_another_number_of_arrays_is_named(value, came):
    with pytest.raises(ValueError, match=rf"`bc_jac` must return 2 arrays of shapes .*, it returned {came}\."):
        parts(value, [(2, 2), (2, 2)], "bc_jac")
