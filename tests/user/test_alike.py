"""A function of `math` is called for all nodes at once as one of NumPy, and gives what it gives by itself."""

import math
from math import cos, floor, sin

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigmode as sm
from sigmode.user.alike import OF_MATH, alike
from sigmode.user.field import VectorField
from sigmode.user.pure import is_pure

K, SCALE = 3.0, (1.0, 2.0)
ARGUMENTS = {"acosh": (1.5,), "pow": (1.3, 2.2), "hypot": (0.3, -4.0), "atan2": (-0.3, 0.4), "log": (0.7,)}


def helper(x):
    return sin(x) * math.exp(-x)


def nested(t, y):
    return [helper(y[1]) + cos(t), -K * y[0]]


def by_module(t, y):
    return [math.sin(y[1]) * math.pi, -math.sqrt(1.0 + y[0] ** 2) * SCALE[1]]


def by_default(t, y, f=math.tanh, *, g=math.atan):
    return np.array([f(y[1]), -g(y[0])])


def by_closure():
    g, c = math.cos, 0.5
    return lambda t, y: (g(y[1]) * c, -math.log(2.0 + y[0] ** 2, 3.0))


FUNCTIONS = {"nested": nested, "by module": by_module, "by default": by_default, "by closure": by_closure()}


@pytest.mark.parametrize("name", OF_MATH)
def test_each_is_that_of_math(name):
    given = ARGUMENTS.get(name, (0.3,))
    several = [np.array([value, value]) for value in given]
    assert_allclose(OF_MATH[name](*several), getattr(math, name)(*given), rtol=1e-15)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_copy_takes_arrays_and_leaves_the_function_as_it_is(name):
    fun = FUNCTIONS[name]
    assert is_pure(fun)
    before = fun.__globals__["sin"], fun.__defaults__, fun.__kwdefaults__
    copy, args = alike(fun, ())
    t, y = np.linspace(0, 2, 7), np.random.default_rng(1).standard_normal((2, 7))
    expected = np.array([fun(moment, values) for moment, values in zip(t, y.T, strict=True)]).T
    assert args == ()
    assert_allclose(np.array(copy(t, y)), expected, rtol=1e-14)
    assert (fun.__globals__["sin"], fun.__defaults__, fun.__kwdefaults__) == before
    with pytest.raises(TypeError):
        fun(t, y)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_nodes_are_one_call(name, monkeypatch):
    fun, seen = FUNCTIONS[name], []
    original = VectorField._single
    monkeypatch.setattr(
        VectorField, "_single", lambda self, *args, **own: seen.append(1) or original(self, *args, **own)
    )
    res = sm.solve_ivp(fun, (0, 3), [0.3, 0.2], rtol=1e-9, atol=1e-9)
    one_by_one = sm.solve_ivp(lambda t, y: seen and fun(t, y), (0, 3), [0.3, 0.2], rtol=1e-9, atol=1e-9)
    assert res.success
    assert_allclose(res.sol(np.linspace(0, 3, 50)), one_by_one.sol(np.linspace(0, 3, 50)), rtol=1e-9, atol=1e-10)
    assert len(seen) < res.nfev / 2


def test_functions_in_args():
    fun = lambda t, y, f, c: [-c * f(y[0])]
    field = VectorField(fun, 1, float, False)
    assert is_pure(fun, (math.sinh, 2.0))
    assert alike(fun, (math.sinh, 2.0))[1] == (np.sinh, 2.0)
    assert field._alike is None
    res = sm.solve_ivp(fun, (0, 2), [1.0], args=(math.sinh, 2.0), rtol=1e-8, atol=1e-8)
    assert_allclose(np.tanh(res.y[0, -1] / 2), np.tanh(0.5) * np.exp(-4.0), rtol=1e-6)


def test_nothing_to_replace():
    assert alike(lambda t, y: -K * np.arctan2(y, 1.0), ()) is None
    assert not is_pure(lambda t, y: [floor(y[0])])
    assert not is_pure(lambda t, y: [math.gamma(y[0])])


def test_what_numpy_has_not_is_called_point_by_point():
    fun = lambda t, y: [math.floor(t) - y[0]]
    field = VectorField(fun, 1, float, False)
    K = np.empty((3, 1))
    field.nodes(np.array([0.5, 1.5, 2.5]), np.ones((3, 1)), K)
    assert K.ravel().tolist() == [-1.0, 0.0, 1.0]
    assert field._whole is False


def test_what_math_raises_passes_through():
    with pytest.raises(ValueError, match="math domain error"):
        sm.solve_ivp(lambda t, y: [-y[0] + math.sqrt(1.0 - t)], (0, 5), [1.0])
    with pytest.raises(OverflowError):
        sm.solve_ivp(lambda t, y: [math.exp(1000.0 * t) - y[0]], (0, 5), [1.0])
