"""What may be called with arrays to see whether it takes them: nothing that could tell."""

import cmath
import math

import numpy as np
import pytest

from sigmode.user.pure import is_pure

RATE = 2.0
TABLE = np.arange(3.0)
SEEN = []


def helper(y):
    return np.exp(-y)


def filled(t, y):
    f = np.empty_like(y)
    f[0] = y[1]
    f[1] = -RATE * y[0]
    return f


def closing(rate):
    return lambda t, y: -rate * y


PURE = {
    "numpy": lambda t, y: np.array([y[1], -np.sin(y[0]) + TABLE[1]]),
    "list": lambda t, y: [y[1] * RATE, -y[0]],
    "calls another": lambda t, y: helper(y) + abs(t),
    "fills": filled,
    "closure": closing(3.0),
    "default": lambda t, y, k=2.0: -k * y,
    "built in": lambda t, y: [min(1.0, 2.0), sum([y[0], y[1]])],
    "along an axis": lambda t, y: -y * np.sum(y, axis=0),
}


def counting(t, y):
    SEEN.append(t)
    return -y


def in_place(t, y):
    TABLE[0] = t
    return -y


def printing(t, y):
    print(t)
    return -y


def remembering(t, y):
    global RATE
    RATE = t
    return -y


def with_list(t, y, seen=SEEN):
    seen.append(t)
    return -y


class Callable:
    def __call__(self, t, y):
        return -y


IMPURE = {
    "smallest": lambda t, y: y if np.min(y) < 1.0 else -y,
    "a method": lambda t, y: y / y.max(),
    "of t": lambda t, y: -y + (np.max(t) > 1.0),
    "norm": lambda t, y: y / np.linalg.norm(y),
    "appends": counting, "writes an array": in_place, "prints": printing, "global": remembering, "default": with_list,
    "object": Callable(), "method": Callable().__call__, "closure": closing(SEEN),
    "other modules": lambda t, y: cmath.sin(t) * y, "not for arrays": lambda t, y: math.gamma(t) * y,
    "file": lambda t, y: np.load("table.npy") * y,
    "out": lambda t, y: np.add(TABLE, 1.0, out=TABLE)[0] * y, "draws": lambda t, y: np.random.random() * y,  # noqa: NPY002
    "random": lambda t, y: np.random.default_rng().normal() * y if SEEN else y, "builtin": np.sin,
}  # fmt: skip


@pytest.mark.parametrize("name", PURE)
def test_arithmetic_is_pure(name):
    assert is_pure(PURE[name])


@pytest.mark.parametrize("name", IMPURE)
def test_what_could_leave_a_trace_is_not(name):
    assert not is_pure(IMPURE[name])


def test_args_count_as_constants():
    fun = lambda t, y, k: -k * y
    assert is_pure(fun, (3.0,))
    assert is_pure(fun, (TABLE,))
    assert not is_pure(fun, ([],))
