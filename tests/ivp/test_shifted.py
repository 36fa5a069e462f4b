"""Systems with I - c M against dense solves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csc_array, diags_array, kron

from sigmode.ivp.shifted import _Banded, _Dense, _Sparse, shifted

RNG = np.random.default_rng(0)


def laplacian(n):
    return diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1], format="csc")


def shuffled(n):
    order = RNG.permutation(n)
    return csc_array(laplacian(n).toarray()[order][:, order])


MATRICES = {
    "small": (RNG.normal(size=(5, 5)), _Dense),
    "dense": (RNG.normal(size=(80, 80)), _Dense),
    "complex": (RNG.normal(size=(5, 5)) + 1j * RNG.normal(size=(5, 5)), _Dense),
    "band": (laplacian(100), _Banded),
    "band, shuffled": (shuffled(100), _Banded),
    "band, complex": (csc_array(1j * laplacian(60)), _Banded),
    "diagonal": (csc_array(np.diag(np.arange(60.0))), _Banded),
    "sparse": (csc_array(RNG.normal(size=(200, 200)) * (RNG.random((200, 200)) < 0.02)), _Sparse),
    "plane": (csc_array(kron(laplacian(30), np.eye(30)) + kron(np.eye(30), laplacian(30))), _Sparse),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("c", [0.3, -0.2 + 0.4j])
def test_solves(name, c):
    matrix, kind = MATRICES[name]
    systems = shifted(matrix)
    assert type(systems) is kind
    dense = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    n = len(dense)
    for b in (RNG.normal(size=n), RNG.normal(size=(n, 3))):
        x = systems.solver(c)(b)
        assert_allclose(x - c * (dense @ x), b, atol=1e-9)
    many = np.array([c, 2 * c, -1.3j])
    b = RNG.normal(size=(3, n)) * (1 + 1j)
    solvers = systems.solvers(many)
    x = solvers.all(b)
    for k in range(3):
        assert_allclose(x[k] - many[k] * (dense @ x[k]), b[k], atol=1e-9)
    assert_allclose(solvers.last(b.T)[:, 2], x[2], atol=1e-9)


@pytest.mark.parametrize(
    "matrix", [np.eye(3), np.eye(60), csc_array(np.eye(60)), MATRICES["plane"][0] * 0 + csc_array(np.eye(900))]
)
def test_singular_ones_give_none(matrix):
    assert shifted(matrix).solver(1.0) is None
    assert shifted(matrix).solvers(np.array([0.5, 1.0])) is None
    bad = matrix * np.nan
    assert shifted(bad).solver(1.0) is None
