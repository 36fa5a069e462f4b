"""How many digits f has is told from types and values, and decides on the steps of differences."""

import numpy as np
import pytest

from sigmode.user.differences import FORWARD_STEP
from sigmode.user.field import VectorField
from sigmode.user.precision import Precision

EPS = np.finfo(float).eps
SINGLE = np.finfo(np.float32).eps
RNG = np.random.default_rng(3)
T = np.linspace(0.0, 1.0, 14)


def looked_at(*values):
    found = Precision()
    with np.errstate(all="ignore"):
        for part in values:
            found.look(part)
    return found


def values(m=14, n=1):
    return RNG.normal(size=(m, n))


def test_double_precision_is_seen_at_once():
    found = looked_at(values(n=3))
    assert (found.relative, found.step, found.looks) == (EPS, FORWARD_STEP, 0)


def test_single_precision_is_seen_by_its_values():
    found = looked_at(values(m=50).astype(np.float32).astype(float))
    assert (found.relative, found.step) == (SINGLE, SINGLE**0.5)


def test_one_component_is_enough():
    mixed = np.hstack([values(m=50), values(m=50).astype(np.float32)])
    found = looked_at(mixed)
    assert found.relative.tolist() == [EPS, SINGLE]
    assert found.step == SINGLE**0.5


def test_few_values_prove_nothing():
    found = looked_at(values(m=3).astype(np.float32).astype(float))
    assert found.relative == EPS
    assert found.looks > 0


@pytest.mark.parametrize(
    "simple",
    [
        np.ones((14, 1)),
        np.zeros((14, 1)),
        np.arange(14.0)[:, None],
        np.full((14, 1), 0.375),
        np.full((14, 1), -1e9),
        np.full((14, 1), float(np.float32(0.1))),
        np.repeat(np.float32([[0.1], [0.3], [0.7]]), 5, axis=0).astype(float),
    ],
    ids=["one", "zero", "counts", "eighths", "large", "a constant", "held"],
)
def test_simple_numbers_are_no_single_precision(simple):
    """They are the same in any precision: nothing is known, and looking ends."""
    assert looked_at(*[simple] * 20).relative == EPS


@pytest.mark.parametrize("digits", [5, 12, 20, 23, 26])
def test_what_cancels_is_no_single_precision(digits):
    """Terms that cancel leave few digits, multiples of one unit, which have as many as single precision by chance."""
    for _ in range(50):
        left = RNG.integers(-(2**digits), 2**digits, size=(14, 1)) * 2.0**-52
        assert looked_at(left).relative == EPS


def test_what_is_not_finite_says_nothing():
    part = values(m=50).astype(np.float32).astype(float)
    part[3], part[5], part[7] = np.nan, np.inf, -np.inf
    assert looked_at(part).relative == SINGLE


def test_values_beyond_single_precision():
    assert looked_at(np.full((14, 1), 1e300)).relative == EPS


def test_complex_values_are_never_taken_for_single():
    assert looked_at(values() + 1j * values()).relative == EPS


def test_what_scatters_most_counts_until_the_next_march():
    found = looked_at(values(m=50).astype(np.float32).astype(float))
    found.scatters(1e-5)
    found.scatters(1e-6)
    assert found.step == pytest.approx(1e-5**0.5)
    found.scatters(0.9)
    assert found.step == 1e-2
    found.begin_anew()
    assert found.relative == SINGLE


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("shape", ["one", "many"])
def test_the_type_is_enough(shape, vectorized):
    """Of one value already, whatever it is."""
    field = VectorField(lambda t, y: np.float32(-y), 1, float, vectorized)
    if shape == "one":
        field(0.0, np.array([1.0]))
    else:
        field.nodes(T, T[:, None].copy(), np.empty((14, 1)))
    assert field.precision.relative == SINGLE


@pytest.mark.parametrize("kind", ["array", "list"])
def test_df_dy_of_single_precision_is_that_of_f(kind):
    """Steps of 1e-8 would see the digits only: 0, or 4."""
    fun = {
        "array": lambda t, y: (-y + np.sin(t)).astype(np.float32),
        "list": lambda t, y: [float(np.float32(-y[0] + np.sin(t)))],
    }[kind]
    field = VectorField(fun, 1, float, False)
    for _ in range(3):
        field.nodes(T, RNG.normal(size=(14, 1)), np.empty((14, 1)))
    for y in (0.3, 0.77, 1.6):
        start = np.array([y])
        df_dy = field.jacobian(0.3, start, field(0.3, start), np.zeros(1), np.zeros(1))
        assert df_dy[0, 0] == pytest.approx(-1.0, abs=2e-3)
