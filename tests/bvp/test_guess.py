"""`guess` of `solve_bvp`, the ways from bad guesses, and derivatives by `args`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_bvp as scipys
from scipy.optimize import brentq

import sigmode as sm

X = np.linspace(0, 1, 5)


def bratu(x, y, k):
    return np.vstack([y[1], -k * np.exp(y[0])])


def fixed(ya, yb, k):
    return np.array([ya[0], yb[0]])


def bratus_middle(k, upper=False):
    """y(1/2) of the closed form, 2 log(cosh(theta / 2)), theta = sqrt(k/2) cosh(theta / 2)."""
    from scipy.optimize import brentq

    f = lambda theta: theta - np.sqrt(2 * k) * np.cosh(theta / 4)
    theta = brentq(f, 4.8, 20) if upper else brentq(f, 0, 4.8)
    return 2 * np.log(np.cosh(theta / 4))


class TestGuess:
    def test_a_result_gives_mesh_and_values(self):
        first = sm.solve_bvp(bratu, fixed, X, np.zeros((2, 5)), tol=1e-8, args=(1.0,))
        calls = []
        counted = lambda x, y, k: (calls.append(x.size), bratu(x, y, k))[1]
        second = sm.solve_bvp(counted, fixed, guess=first, tol=1e-8, args=(1.0,))
        assert second.success
        assert second.niter == 1
        assert_allclose(second.sol(0.5)[0], bratus_middle(1.0), atol=1e-9)
        assert_allclose(second.x, first.x)
        again = sm.solve_bvp(bratu, fixed, guess=first.sol, tol=1e-8, args=(1.1,))
        assert_allclose(again.sol(0.5)[0], bratus_middle(1.1), atol=1e-8)

    def test_a_function_and_the_other_branch(self):
        guess = lambda x: np.vstack([12 * x * (1 - x), 12 - 24 * x])
        res = sm.solve_bvp(bratu, fixed, X, guess=guess, tol=1e-8, args=(2.0,))
        assert_allclose(res.sol(0.5)[0], bratus_middle(2.0, upper=True), atol=1e-7)

    def test_parameters_come_with_it(self):
        fun = lambda x, y, p: np.vstack([y[1], -(p[0] ** 2) * y[0]])
        bc = lambda ya, yb, p: np.array([ya[0], yb[0], ya[1] - p[0]])
        start = np.vstack([np.sin(2 * np.pi * X), np.cos(2 * np.pi * X)])
        first = sm.solve_bvp(fun, bc, X, start, p=[6.0], tol=1e-6)
        second = sm.solve_bvp(fun, bc, guess=first, tol=1e-9)
        assert_allclose(second.p, [2 * np.pi], atol=1e-8)

    def test_a_complex_solution(self):
        fun, bc = lambda x, y: 1j * y, lambda ya, yb: ya - 1.0
        first = sm.solve_bvp(fun, bc, X, np.ones((1, 5), complex), tol=1e-4)
        second = sm.solve_bvp(fun, bc, guess=first, tol=1e-9)
        assert_allclose(second.sol(1.0)[0], np.exp(1j), atol=1e-8)

    def test_what_does_not_fit(self):
        with pytest.raises(ValueError, match="`x` must be numbers"):
            sm.solve_bvp(bratu, fixed, args=(1.0,))
        with pytest.raises(ValueError, match="`y` must be numbers"):
            sm.solve_bvp(bratu, fixed, X, args=(1.0,))
        with pytest.raises(ValueError, match="`y` and `guess`"):
            sm.solve_bvp(bratu, fixed, X, np.zeros((2, 5)), guess=lambda x: x, args=(1.0,))
        with pytest.raises(TypeError, match="`guess` must be"):
            sm.solve_bvp(bratu, fixed, X, guess=3.0, args=(1.0,))
        with pytest.raises(TypeError, match="has no mesh"):
            sm.solve_bvp(bratu, fixed, guess=lambda x: x, args=(1.0,))


class TestBadGuesses:
    @pytest.mark.parametrize("width", [1e-3, 3e-4])
    def test_a_layer_of_sinh_from_a_rough_guess(self, width):
        """lambda**2 D y'' = sinh y - D tanh(x/.02): the outer solution is where the right-hand side is zero."""
        D, b = 1e3, np.arcsinh(1e3)
        fun = lambda x, y: np.vstack([y[1], (np.sinh(y[0]) - D * np.tanh(x / 0.02)) / (width**2 * D)])
        bc = lambda ya, yb: np.array([ya[0] + b, yb[0] - b])
        x = np.linspace(-1, 1, 5)
        res = sm.solve_bvp(fun, bc, x, np.vstack([b * np.tanh(4 * x), 0 * x]), tol=1e-6)
        assert res.success
        at = np.array([-0.5, -0.03, 0.003, 0.3])
        reference = scipys(fun, bc, x, np.vstack([b * np.tanh(4 * x), 0 * x]), tol=1e-8, max_nodes=50_000)
        assert reference.success
        assert_allclose(res.sol(at)[0], reference.sol(at)[0], atol=1e-5)

    @pytest.mark.parametrize("phi", [30.0, 300.0, 1000.0])
    def test_a_reaction_of_second_order(self, phi):
        """c'' = phi**2 c**2, c'(0) = 0, c(1) = 1: c'**2 = 2/3 phi**2 (c**3 - c(0)**3) everywhere."""
        fun = lambda x, y: np.vstack([y[1], phi**2 * y[0] ** 2])
        bc = lambda ya, yb: np.array([ya[1], yb[0] - 1.0])
        res = sm.solve_bvp(fun, bc, X, np.vstack([np.ones(5), np.zeros(5)]), tol=1e-6)
        assert res.success
        c, slope = res.sol(np.linspace(0, 1, 201))
        assert (c > 0.0).all()
        assert (np.diff(c) > -1e-9).all()
        assert_allclose(slope**2, 2 / 3 * phi**2 * (c**3 - c[0] ** 3), atol=1e-4 * phi**2 * 1e-2)

    def test_an_exothermic_pellet(self):
        fun = lambda x, y: np.vstack([y[1], y[0] ** 2 * np.exp(20.0 * (1.0 - 1.0 / (1.0 + 0.4 * (1.0 - y[0]))))])
        bc = lambda ya, yb: np.array([ya[1], yb[0] - 1.0])
        res = sm.solve_bvp(fun, bc, X, np.vstack([np.ones(5), np.zeros(5)]), tol=1e-6)
        assert res.success
        at = np.linspace(0, 1, 11)
        reference = scipys(fun, bc, res.x, res.y, tol=1e-9, max_nodes=50_000)
        assert reference.success
        assert_allclose(res.sol(at), reference.sol(at), atol=1e-5)

    def test_a_failure_leaves_something_to_look_at(self):
        fun = lambda x, y: np.vstack([y[1], -40.0 * np.exp(y[0])])  # far above Bratu's fold
        res = sm.solve_bvp(fun, lambda ya, yb: np.array([ya[0], yb[0]]), X, np.zeros((2, 5)))
        assert not res.success
        assert abs(res.y).max() < 1e4


class TestSensitivity:
    def test_a_linear_problem(self):
        """y'' = -w**2 y, y(0) = 0, y(1) = e: y = e sin(w x)/sin(w)."""
        w, e = 2.0, 3.0
        res = sm.solve_bvp(
            lambda x, y, w, e: np.vstack([y[1], -(w**2) * y[0]]),
            lambda ya, yb, w, e: np.array([ya[0], yb[0] - e]),
            X,
            np.zeros((2, 5)),
            tol=1e-8,
            args=(w, e),
            sensitivity=True,
        )
        by_w = lambda x: e * (x * np.cos(w * x) * np.sin(w) - np.sin(w * x) * np.cos(w)) / np.sin(w) ** 2
        assert res.dy_dargs.shape == (2, 2, res.x.size)
        assert_allclose(res.dy_dargs[0, 0], by_w(res.x), atol=1e-7)
        assert_allclose(res.sol_dargs[1](0.3)[0], np.sin(0.3 * w) / np.sin(w), atol=1e-9)
        assert_allclose(res.sol_dargs[0](0.3, 1)[0], res.sol_dargs[0](0.3)[1], atol=1e-6)
        off = abs(res.dy_dargs[0, 0] - by_w(res.x))
        assert (off <= 3 * res.error_dy_dargs[0, 0] + 1e-9).all()
        assert res.dp_dargs is None

    @pytest.mark.parametrize("eps", [1.0, 1e-3])
    def test_against_differences_of_solutions(self, eps):
        def solved(k):
            fun = lambda x, y, a: np.vstack([y[1], (y[0] ** 3 + a[0] * y[0] - a[1] * np.cos(3 * x)) / eps])
            bc = lambda ya, yb, a: np.array([ya[0] - 1.0, yb[0] + a[1]])
            return sm.solve_bvp(fun, bc, X, np.ones((2, 5)), tol=1e-11, args=(k,), sensitivity=True)

        a = np.array([1.5, 0.7])
        res = solved(a)
        at = np.linspace(0, 1, 21)
        for j in range(2):
            step = 1e-4 * np.eye(2)[j]
            difference = (solved(a + step).sol(at)[0] - solved(a - step).sol(at)[0]) / 2e-4
            assert_allclose(res.sol_dargs[j](at)[0], difference, atol=1e-7)

    def test_an_eigenvalue_by_a_parameter_of_the_equation(self):
        """y'' + p**2 c y = 0 on [0, pi]: p = 1/sqrt(c)."""
        x = np.linspace(0, np.pi, 5)
        res = sm.solve_bvp(
            lambda x, y, p, c: np.vstack([y[1], -(p[0] ** 2) * c * y[0]]),
            lambda ya, yb, p, c: np.array([ya[0], yb[0], ya[1] - 1.0]),
            x,
            np.vstack([np.sin(x), np.cos(x)]),
            p=[0.4],
            tol=1e-9,
            args=(4.0,),
            sensitivity=True,
        )
        assert_allclose(res.p, [0.5], rtol=1e-8)
        assert_allclose(res.dp_dargs, [[-0.5 * 4.0**-1.5]], rtol=1e-7)
        assert res.error_dp_dargs[0, 0] < 1e-7

    def test_no_numbers_in_args(self):
        res = sm.solve_bvp(lambda x, y: -y, lambda ya, yb: ya - 1, X, np.ones((1, 5)), sensitivity=True)
        assert res.dy_dargs.shape == (1, 0, res.x.size)
        assert res.sol_dargs == ()


@pytest.mark.parametrize("tol", [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9])
@pytest.mark.parametrize("height", [1.0, 5.0])
def test_infinitely_many_solutions_are_no_success(tol, height):
    """y'' = -pi**2 y, y(0) = y(1) = 0: all c sin(pi x)."""
    res = sm.solve_bvp(
        lambda x, y: np.vstack([y[1], -(np.pi**2) * y[0]]),
        lambda ya, yb: np.array([ya[0], yb[0]]),
        X,
        height * np.ones((2, 5)),
        tol=tol,
    )
    assert not res.success


def pellet(beta):
    def fun(x, y):
        return np.vstack([y[1], y[0] ** 2 * np.exp(20.0 * (1.0 - 1.0 / (1.0 + beta * (1.0 - y[0]))))])

    return fun, lambda ya, yb: np.array([ya[1], yb[0] - 1.0]), X, np.vstack([np.ones(5), np.zeros(5)])


def test_the_ways_can_be_watched_and_stopped(capsys):
    seen = []
    res = sm.solve_bvp(
        *pellet(0.3), verbose=2, callback=lambda intermediate_result: seen.append(intermediate_result.way)
    )
    assert res.success
    ways = {"by SciPy's method", "bounded slopes", "less what the guess leaves"}
    assert ways <= set(seen)
    printed = capsys.readouterr().out
    assert all(way in printed for way in ways)

    def stop(intermediate_result):
        if intermediate_result.way:
            raise StopIteration

    assert sm.solve_bvp(*pellet(0.3), callback=stop).status == 4


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_bessels_equation_from_next_to_its_singularity(order, tol):
    from scipy.special import jv

    def fun(x, y):
        return np.vstack([y[1], -y[1] / x - (1.0 - order**2 / x**2) * y[0]])

    start = 1e-6
    res = sm.solve_bvp(
        fun,
        lambda ya, yb: np.array([ya[0] - jv(order, start), yb[0] - jv(order, 10.0)]),
        np.linspace(start, 10.0, 5),
        np.ones((2, 5)),
        tol=tol,
    )
    assert res.success
    t = np.linspace(0.01, 10.0, 300)
    assert abs(res.sol(t)[0] - jv(order, t)).max() < tol


class TestDerivativesThatAreHard:
    @pytest.mark.parametrize("c", [0.0, 1e-12, 1e-8, 1.0, 1e8])
    def test_a_number_beside_larger_or_smaller_ones(self, c):
        """y' = c - y, y(0) = 1."""
        res = sm.solve_bvp(
            lambda x, y, c: c - y,
            lambda ya, yb, c: ya - 1.0,
            X,
            np.ones((1, 5)),
            tol=1e-8,
            args=(c,),
            sensitivity=True,
        )
        off = abs(res.dy_dargs[0, 0] - (1 - np.exp(-res.x))).max()
        assert off < 1e-7
        assert off < 10 * res.error_dy_dargs.max() + 1e-10

    @pytest.mark.parametrize("c", [1e4, 2e6])
    def test_a_phase(self, c):
        """y' = cos(c + x), y(0) = 0."""
        res = sm.solve_bvp(
            lambda x, y, c: np.cos(c + x) + 0 * y,
            lambda ya, yb, c: ya,
            X,
            np.ones((1, 5)),
            tol=1e-8,
            args=(c,),
            sensitivity=True,
        )
        off = abs(res.dy_dargs[0, 0] - (np.cos(c + res.x) - np.cos(c))).max()
        assert off < 1e-5
        assert off < 10 * res.error_dy_dargs.max() + 1e-10

    @pytest.mark.parametrize(("k", "tol"), [(1.0, 1e-10), (3.0, 1e-10), (3.5, 1e-10), (3.5138, 1e-8)])
    def test_bratu_towards_the_fold(self, k, tol):
        res = sm.solve_bvp(bratu, fixed, X, np.zeros((2, 5)), tol=tol, args=(k,), sensitivity=True)
        middle = res.sol(0.5)[0]
        theta = np.arccosh(np.exp(bratus_middle(k) / 2))
        # k = 8 (theta / cosh theta)**2 and y(1/2) = 2 log cosh theta
        slope = 2 * np.tanh(theta) / (16 * theta / np.cosh(theta) ** 2 * (1 - theta * np.tanh(theta)))
        off = abs(res.sol_dargs[0](0.5)[0] - slope)
        assert middle > 0.0
        assert off < 1e-5 * abs(slope)
        assert off < 5 * res.error_dy_dargs.max() + 1e-9 * abs(slope)

    def test_derivatives_that_are_not_finite(self):
        with np.errstate(all="ignore"):
            res = sm.solve_bvp(
                lambda x, y, c: y * np.sqrt(c),
                lambda ya, yb, c: ya - 1.0,
                X,
                np.ones((1, 5)),
                args=(0.0,),
                sensitivity=True,
            )
        assert not res.success
        assert "derivatives" in res.message


def fastest_stop(width):
    """A mass brought to rest in the shortest time; its control switches within `width` of a costate."""

    def fun(x, y):
        position, speed, p, q, duration = y
        return duration * np.vstack([speed, -np.tanh(q / width), 0.0 * p, -p, 0.0 * position])

    def bc(start, end):
        energy = 1.0 + end[2] * end[1] - end[3] * np.tanh(end[3] / width)
        return np.array([start[0] - 1.5, start[1], end[0], end[1], energy])

    return fun, bc


def test_where_the_thinned_mesh_fails_all_nodes_of_the_guess_are_used():
    x = np.linspace(0.0, 1.0, 20)
    y = np.vstack([1.5 * (1.0 - x), -1.5 * np.sin(np.pi * x), 0.0 * x + 0.5, 0.5 - x, 0.0 * x + 2.5])
    for width in (1.0, 0.1, 0.02, 0.002, 0.0003):
        res = sm.solve_bvp(*fastest_stop(width), x, y)
        assert res.success
        assert res.niter < 10
        x, y = res.x, res.y
    assert abs(res.y[4, 0] - 2.0 * 1.5**0.5) < 3e-3  # of a switch without a width: twice the root of the distance


@pytest.mark.parametrize("nodes", [5, 21])
@pytest.mark.parametrize(("eps", "tol"), [(0.1, 1e-6), (0.05, 1e-3), (0.01, 1e-3), (0.01, 1e-6), (0.005, 1e-9)])
def test_a_front_between_two_wells_is_not_put_where_the_guess_has_it(eps, tol, nodes):
    # Its true place is 0; e**(-2/eps) says so.
    x = np.linspace(-1.0, 1.0, nodes)
    width = 2.0**0.5 * eps
    res = sm.solve_bvp(
        lambda x, y: np.vstack([y[1], (y[0] ** 3 - y[0]) / eps**2]),
        lambda ya, yb: np.array([ya[0] + np.tanh(1.0 / width), yb[0] - np.tanh(1.0 / width)]),
        x,
        np.vstack([np.tanh((x - 0.3) / width), 0.0 * x]),
        tol=tol,
    )
    assert not res.success or abs(res.sol(x)[0] - np.tanh(x / width)).max() < tol


@pytest.mark.parametrize("offset", [1e5, 3e7, 1e10])
def test_a_large_offset_is_not_singular(offset):
    res = sm.solve_bvp(
        lambda x, y: np.vstack([y[1], offset - y[0]]),
        lambda ya, yb: np.array([ya[0] - offset, yb[0] - offset - np.sin(1.0)]),
        X,
        np.vstack([np.full(5, offset), np.zeros(5)]),
        tol=1e-6,
    )
    assert res.success
    assert abs(res.y[0] - offset - np.sin(res.x)).max() < 1e-6 * offset


def test_an_iterate_that_diverges_is_no_endless_layer():
    x = np.linspace(-1.0, 1.0, 21)
    res = sm.solve_bvp(
        lambda x, y: np.vstack([(y[1] + y[0] ** 2 / 2.0) / 0.01, 0.0 * y[1]]),
        lambda ya, yb: np.array([ya[0] - 1.0, yb[0] + 1.0]),
        x,
        np.vstack([-np.tanh((x - 0.3) / 0.02), 0.0 * x]),
    )
    assert not res.success  # its rates exceed the root of the largest number


@pytest.mark.parametrize("nodes", [9, 10, 40])
def test_residuals_of_a_thinned_mesh_are_those_of_the_solution(nodes):
    x = np.linspace(0.0, 1.0, nodes)
    res = sm.solve_bvp(
        lambda x, y: np.vstack([y[1], 5.0 * y[0]]),
        lambda ya, yb: np.array([ya[0], yb[0] - 1.0]),
        x,
        np.zeros((2, nodes)),
    )
    points = np.linspace(0.0, 1.0, 10_001)
    f = np.vstack([res.sol(points)[1], 5.0 * res.sol(points)[0]])
    dense = np.sqrt((((res.sol(points, 1) - f) / (1.0 + abs(f))) ** 2).sum(axis=0).mean())
    mean = np.sqrt((res.rms_residuals**2 * np.diff(res.x)).sum())
    assert 0.3 < mean / dense < 3.0


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("eps", [0.1, 0.02, 0.012, 0.01])
def test_a_front_whose_place_is_exponentially_small_is_right_or_no_success(eps, tol):
    # Of -tanh the true place is 1/2; at eps = 0.01 no number with 16 digits says so.
    res = sm.solve_bvp(
        lambda x, y: np.vstack([y[1], -y[0] * y[1] / eps]),
        lambda ya, yb: np.array([ya[0] + 1.0, yb[0] - 1.0]),
        X,
        np.vstack([2.0 * X - 1.0, np.full(5, 2.0)]),
        tol=tol,
        max_nodes=5000,
    )
    assert res.success == (eps == 0.1)
    if res.success:
        k = brentq(lambda k: k * np.tanh(k / (4.0 * eps)) - 1.0, 1.0, 2.0, xtol=1e-15)
        assert abs(res.sol(X)[0] - k * np.tanh(k * (X - 0.5) / (2.0 * eps))).max() < tol


def test_meshes_in_vain_are_told_too():
    told = []
    res = sm.solve_bvp(
        lambda x, y: np.vstack([y[1], 0.0 * y[0]]),
        lambda ya, yb: np.array([ya[1], yb[1]]),  # y is free
        X,
        np.ones((2, 5)),
        callback=lambda intermediate_result: told.append(intermediate_result.niter),
    )
    assert not res.success
    assert told[0] == 1
    assert told[-1] == res.niter
