"""The linear systems of Newton's method by a series, against NumPy."""

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigmode.compiled.sweeps import solve_by_sweeps
from sigmode.trial.basis import basis

run = numba.njit(lambda *given: solve_by_sweeps(*given))


def system(s, n, reach, seed=0):
    """h = 0.5, df/dy at the nodes with h |df/dy| about `reach`, a right-hand side, and the matrix of the system."""
    rng = np.random.default_rng(seed)
    J = rng.standard_normal((s, n, n)) * reach / (0.5 * np.sqrt(n))
    A = basis(s).A
    matrix = np.eye(s * n) - 0.5 * np.einsum("ij,jkl->ikjl", A, J).reshape(s * n, s * n)
    return J, rng.standard_normal(s * n), matrix


@pytest.mark.parametrize("s", [6, 8, 14, 22])
@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize("reach", [0.0, 1e-3, 0.5, 4.0])
def test_the_solution_is_that_of_elimination(s, n, reach):
    J, right, matrix = system(s, n, reach)
    found = right.copy()
    if run(0.5, basis(s).transposed, J, found):
        assert_allclose(found, np.linalg.solve(matrix, right), rtol=0, atol=2e-5 * abs(found).max())
    else:  # random numbers are not as smooth as df/dy
        assert reach > 1.0
        assert s < 14


def test_scales_do_not_matter():
    """What one component is in small units must be as exact as what another one is in large ones."""
    J, right, matrix = system(10, 2, 1.0)
    scale = np.array([1e-150, 1e100])
    own = right.reshape(10, 2) * scale
    found = own.ravel().copy()
    assert run(0.5, basis(10).transposed, J * scale[:, None] / scale, found)
    expected = np.linalg.solve(matrix, right).reshape(10, 2)
    assert_allclose(found.reshape(10, 2) / scale, expected, rtol=1e-4)


@pytest.mark.parametrize("reach", [60.0, 1e4, 1e200, np.inf, np.nan])
def test_what_is_stiff_is_left_to_elimination(reach):
    J, right, _ = system(8, 2, 1.0)
    J = J * reach if np.isfinite(reach) else np.full_like(J, reach)
    found = right.copy()
    assert not run(0.5, basis(8).transposed, J, found)
    assert_array_equal(found, right)


def test_what_is_not_finite_is_left_to_elimination():
    J, right, _ = system(8, 2, 1.0)
    right[3] = np.nan
    assert not run(0.5, basis(8).transposed, J, right)


def test_nothing_to_solve():
    J, right, _ = system(8, 2, 1.0)
    right[:] = 0.0
    assert run(0.5, basis(8).transposed, J, right)
    assert not right.any()
