"""Functions of Python behind the address of machine code."""

import gc
import sys
import traceback

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigmode.compiled.nodes import _nodes
from sigmode.compiled.python import Asked


class Own(Exception):
    """One that cannot be made without its argument."""

    def __init__(self, needed):
        super().__init__(needed)
        self.needed = needed


def called(asked, t, Y):
    """f through compiled code, or None."""
    K = np.full_like(Y, np.nan)
    return K if _nodes(asked.address, t, Y, asked.words, K) else None


@pytest.mark.parametrize("m", [1, 7, 256, 257, 1000])
def test_values_of_any_number_of_points(m):
    sizes = []

    def answer(t, Y, K):
        sizes.append(t.size)
        K[:] = Y * t[:, None] + np.arange(Y.shape[1])

    t, Y = np.linspace(0, 1, m), np.random.default_rng(m).standard_normal((m, 3))
    assert_array_equal(called(Asked(answer, 3), t, Y), Y * t[:, None] + np.arange(3))
    assert sum(sizes) == m
    assert max(sizes) <= 256


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration, Own])
def test_exceptions_are_handed_over(kind):
    raised = kind("no")

    def answer(t, Y, K):
        raise raised

    asked = Asked(answer, 1)
    assert called(asked, np.zeros(3), np.zeros((3, 1))) is None
    assert asked.failed == [raised]
    assert "in answer" in "".join(traceback.format_exception(asked.failed[0]))
    with pytest.raises(kind):
        raise asked.failed.pop()


def test_an_exception_that_is_a_class_only():
    def answer(t, Y, K):
        raise KeyError

    asked = Asked(answer, 1)
    assert called(asked, np.zeros(3), np.zeros((3, 1))) is None
    assert type(asked.failed[0]) is KeyError


def test_nothing_is_kept():
    value = object()

    def answer(t, Y, K):
        K[:] = 0.0
        if t[0] < 0.0:
            raise ValueError(value)
        return value

    asked = Asked(answer, 1)
    gc.collect()
    before = sys.getrefcount(value), sys.getrefcount(None)
    for moment in [0.0, -1.0] * 200:
        called(asked, np.full(2, moment), np.zeros((2, 1)))
        asked.failed.clear()
    gc.collect()
    after = sys.getrefcount(value), sys.getrefcount(None)
    assert after[0] == before[0]
    assert abs(after[1] - before[1]) < 100  # others use None, too
