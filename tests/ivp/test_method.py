"""NeuralCollocation inside SciPy's solve_ivp: accuracy, kinds of f and df/dy, sizes."""

import numba
import numpy as np
import pytest
from ivps import hires, rober
from numpy.testing import assert_allclose, assert_equal
from scipy.integrate import solve_ivp
from scipy.sparse import csc_array, diags_array

import sigmode as sm
from sigmode.compiled import launch
from sigmode.ivp import quick_compiled as quick
from sigmode.ivp.march import March
from sigmode.trial.basis import basis
from sigmode.user.field import VectorField

# ---------------------------------------------------------------------------------------------------------
# The basis


@pytest.mark.parametrize("s", [6, 9, 12, 15, 18, 22])
def test_basis_integrates(s):
    base = basis(s)
    c = base.nodes
    assert_allclose(base.A @ np.ones(s), c, atol=1e-14)
    exact = (np.sin(2 * c + 0.3) - np.sin(0.3)) / 2
    assert abs(base.A @ np.cos(2 * c + 0.3) - exact).max() < 20 * 10.0 ** (-0.65 * s)


@pytest.mark.parametrize("s", range(6, 25))
def test_method_is_stable(s):
    A, ones = basis(s).A, np.ones(s)

    def R(z):  # the stability function, |y_1/y_0| for y' = lambda y with z = h lambda
        return abs(1 + z * (A[-1] @ np.linalg.solve(np.eye(s) - z * A, ones)))

    assert max(R(1j * w) for w in np.geomspace(0.01, 1e6, 200)) < 1 + 1e-6
    assert R(-1e6) < 1e-4
    assert R(-1e12) < 1e-4
    assert np.linalg.eigvals(A).real.min() > 0


# ---------------------------------------------------------------------------------------------------------
# Accuracy. References: closed forms, or end values computed with other methods to more digits.


def van_der_pol(mu):
    return lambda t, y: np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


def b4(t, y):
    r = np.hypot(y[0], y[1])
    return np.array([-y[1] - y[0] * y[2] / r, y[0] - y[1] * y[2] / r, y[0] / r])


ENDS = {
    "A1": (lambda t, y: -y, (0, 20), [1.0], [2.061153622438558e-9]),
    "A2": (lambda t, y: -(y**3) / 2, (0, 20), [1.0], [2.182178902359924e-1]),
    "A3": (lambda t, y: y * np.cos(t), (0, 20), [1.0], [2.491650271850415]),
    "A4": (lambda t, y: y / 4 * (1 - y / 20), (0, 20), [1.0], [17.73016648131484]),
    "A5": (lambda t, y: (y - t) / (y + t), (0, 20), [4.0], [-7.887826688964196e-1]),
    "B1": (
        lambda t, y: np.array([2 * (y[0] - y[0] * y[1]), -y[1] + y[0] * y[1]]),
        (0, 20), [1.0, 3.0], [0.6761876008576667, 0.1860816099640036],
    ),
    "B2": (
        lambda t, y: np.array([-y[0] + y[1], y[0] - 2 * y[1] + y[2], y[1] - y[2]]),
        (0, 20), [2.0, 0.0, 1.0], [1.000000001030576, 1.0, 0.9999999989694235],
    ),
    "B3": (
        lambda t, y: np.array([-y[0], y[0] - y[1] ** 2, y[1] ** 2]),
        (0, 20), [1.0, 0.0, 0.0], [2.061153622438558e-9, 5.257228022048349e-2, 0.9474277177183630],
    ),
    "B4": (b4, (0, 20), [3.0, 0.0, 0.0], [0.9826950928005993, 2.198447081694832, 0.9129452507276399]),
    "B5": (
        lambda t, y: np.array([y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]]),
        (0, 20), [0.0, 1.0, 1.0], [-0.9396570798729192, -0.3421177754000779, 0.7414126596199957],
    ),
    "Bessel": (
        lambda t, y: np.array([y[1], -(y[1] / (t + 1) + (1 - 0.25 / (t + 1) ** 2) * y[0])]),
        (0, 20), [0.6713967071418030, 0.09540051444747446], [0.1456723600728308, -0.09883500195574063],
    ),
    "van der Pol 1": (van_der_pol(1), (0, 20), [2.0, 0.0], [2.008149762174948, -0.04250887527320057]),
    "van der Pol 1000": (
        van_der_pol(1000), (0, 2000), [2.0, 0.0], [1.706167732170469, -8.928097010248125e-4],
    ),
    "ROBER": (
        rober, (0, 1e11), [1.0, 0.0, 0.0], [2.083340149701255e-8, 8.333360770334713e-14, 0.9999999791665050],
    ),
    "HIRES": (
        hires, (0, 321.8122), [1.0, 0, 0, 0, 0, 0, 0, 0.0057],
        [7.371312573325668e-4, 1.442485726316185e-4, 5.888729740967575e-5, 1.175651343283149e-3,
         2.386356198831331e-3, 6.238968252742796e-3, 2.849998395185769e-3, 2.850001604814231e-3],
    ),
    "Lotka-Volterra": (
        lambda t, y: np.array([1.5 * y[0] - y[0] * y[1], -3 * y[1] + y[0] * y[1]]),
        (0, 15), [10.0, 5.0], [0.71375138, 0.07540780],
    ),
    "pendulum": (
        lambda t, y: np.array([y[1], -np.sin(y[0])]), (0, 10), [np.pi / 2, 0.0], [-0.946862453255903, np.nan],
    ),
    "Lorenz": (
        lambda t, y: np.array([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]),
        (0, 1), [1.0, 1.0, 1.0], [-9.3785700109251, -8.3570337884266, 29.362325337363],
    ),
}  # fmt: skip
# Digits that the reference has, where that is less than twelve.
KNOWN = {"Lotka-Volterra": 2e-7, "van der Pol 1000": 1e-8, "HIRES": 1e-9, "ROBER": 1e-9}


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("name", ENDS)
def test_end_values(name, tol):
    fun, span, y0, end = ENDS[name]
    res = solve_ivp(fun, span, y0, method=sm.NeuralCollocation, rtol=tol, atol=1e-3 * tol)
    assert res.success
    end = np.where(np.isnan(end), res.y[:, -1], end)
    error = abs(res.y[:, -1] - end)
    assert (error <= 10 * (1e-3 * tol + tol * abs(end)) + KNOWN.get(name, 1e-12) * abs(end)).all()


CURVES = {
    "stiff 1e1": (1e1, np.sin, np.cos),
    "stiff 1e3": (1e3, np.cos, lambda t: -np.sin(t)),
    "stiff 1e6": (1e6, np.sin, np.cos),
}


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("name", CURVES)
def test_prothero_robinson_between_the_steps(name, tol):
    rate, phi, slope = CURVES[name]
    res = solve_ivp(
        lambda t, y: [-rate * (y[0] - phi(t)) + slope(t)], (0, 2 * np.pi), [phi(0.0)], method=sm.NeuralCollocation,
        rtol=tol, atol=1e-3 * tol, dense_output=True,
    )  # fmt: skip
    t = np.linspace(0, 2 * np.pi, 2001)
    assert res.success
    assert (abs(res.sol(t)[0] - phi(t)) <= 10 * (1e-3 * tol + tol * abs(phi(t)))).all()


def test_the_error_keeps_falling():
    t = np.linspace(0, 20, 3001)
    errors = []
    for tol in (1e-4, 1e-6, 1e-8, 1e-10, 1e-12):
        res = solve_ivp(
            lambda t, y: y * np.cos(t), (0, 20), [1.0], method=sm.NeuralCollocation, rtol=tol, atol=tol,
            dense_output=True,
        )  # fmt: skip
        errors.append(abs(res.sol(t)[0] - np.exp(np.sin(t))).max())
    assert (np.diff(np.log10(errors)) < [-1.0, -1.0, -1.0, -0.1]).all()
    assert errors[-1] < 3e-13


# ---------------------------------------------------------------------------------------------------------
# Kinds of f and of df/dy


def lotka_volterra(t, y):
    return np.array([1.5 * y[0] - y[0] * y[1], -3 * y[1] + y[0] * y[1]])


def run(fun, **options):
    options = {"rtol": 1e-8, "atol": 1e-10, **options}
    return solve_ivp(fun, (0, 15), [10.0, 5.0], method=sm.NeuralCollocation, **options)


def as_tuple(t, y):
    return 1.5 * y[0] - y[0] * y[1], -3 * y[1] + y[0] * y[1]


@pytest.mark.parametrize("fun", [lotka_volterra, as_tuple])
def test_compiled_f_gives_the_same_solution(fun):
    plain, compiled = run(lotka_volterra), run(numba.njit(fun))
    assert plain.nfev < compiled.nfev < 3 * plain.nfev  # many calls of f instead of matrices
    assert compiled.nlu < plain.nlu / 2
    assert_allclose(compiled.y[:, -1], plain.y[:, -1], rtol=1e-9)
    jac = numba.njit(lambda t, y: np.array([[1.5 - y[1], -y[0]], [y[1], -3 + y[0]]]))
    assert_allclose(run(numba.njit(fun), jac=jac).y[:, -1], plain.y[:, -1], rtol=1e-9)


def test_compiled_f_does_not_recompile_the_kernels():
    compiled = lambda: [set(vars(kernel)) for kernel in launch.ENTRIES]
    run(numba.njit(lotka_volterra))
    before = compiled()
    run(numba.njit(as_tuple))
    assert compiled() == before


def test_compiled_f_may_raise_and_be_wrong():
    @numba.njit
    def raising(t, y):
        if t > 1.0:
            raise ValueError("mine")
        return -y

    @numba.njit
    def short(t, y):
        return y[:1].copy()

    @numba.njit
    def whole(t, y):
        return np.array([1, 2])

    with pytest.raises(ValueError, match="mine"):
        run(raising)
    with pytest.raises(ValueError, match=r"shape \(2,\).*shape \(1,\)"):
        run(short)
    assert_allclose(run(whole).y[:, -1], [25.0, 35.0])


def test_vectorized_f_is_called_for_a_whole_window_where_that_is_possible():
    calls = []

    def fun(t, y):
        calls.append(np.ndim(t))
        return np.array([1.5 * y[0] - y[0] * y[1], -3 * y[1] + y[0] * y[1]])

    res = run(fun, vectorized=True)
    assert_allclose(res.y[:, -1], run(lotka_volterra).y[:, -1], rtol=1e-9)
    assert len(calls) < res.nfev / 3

    def one_moment(t, y):  # says nothing of an array of moments
        assert np.ndim(t) == 0
        return fun(t, y)

    assert_allclose(run(one_moment, vectorized=True).y[:, -1], res.y[:, -1], rtol=1e-9)

    def wrong_for_many(t, y):  # right for one moment only
        return fun(t, y) * (1.0 if np.ndim(t) == 0 else 1.001)

    assert_allclose(run(wrong_for_many, vectorized=True).y[:, -1], res.y[:, -1], rtol=1e-9)


def reaction_diffusion(n):
    x = np.linspace(0, 1, n)

    def fun(t, y):
        padded = np.concatenate([y[:1], y, y[-1:]])
        return 1e-3 * n**2 * np.diff(padded, 2) + 5 * y * (1 - y)

    off = 1e-3 * n**2 * np.ones(n - 1)

    def jac(t, y):
        main = -2e-3 * n**2 * np.ones(n) + 5 - 10 * y
        main[[0, -1]] += 1e-3 * n**2
        return diags_array([off, main, off], offsets=[-1, 0, 1], format="csc")

    pattern = diags_array([np.ones(n - 1), np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1])
    return fun, jac, pattern, np.exp(-100 * (x - 0.2) ** 2)


@pytest.mark.parametrize("n", [3, 8, 30, 200])
def test_forms_of_the_jacobian(n):
    fun, jac, pattern, y0 = reaction_diffusion(n)

    def solve(**options):
        res = solve_ivp(fun, (0, 1), y0, method=sm.NeuralCollocation, rtol=1e-8, atol=1e-10, **options)
        assert res.success
        return res.y[:, -1]

    reference = solve_ivp(fun, (0, 1), y0, method="Radau", rtol=1e-10, atol=1e-12, jac=jac).y[:, -1]
    for options in ({"jac": jac}, {"jac": lambda t, y: jac(t, y).toarray()}, {"jac_sparsity": pattern}, {}):
        assert_allclose(solve(**options), reference, atol=1e-8)
    assert_allclose(solve(jac_sparsity=pattern.toarray()), reference, atol=1e-8)


@pytest.mark.parametrize("n", [1, 2, 5, 12])
@pytest.mark.parametrize("rtol", [1e-3, 1e-9])
def test_sparsity_of_small_systems(n, rtol):
    res = solve_ivp(lambda t, y: -y, (0, 1), np.ones(n), method=sm.NeuralCollocation, jac_sparsity=np.eye(n), rtol=rtol)
    assert_allclose(res.y[:, -1], np.exp(-1), rtol=1e-3)


@pytest.mark.parametrize("sparse", [False, True])
def test_constant_jacobian_of_a_large_linear_system(sparse):
    n = 120
    matrix = -np.diag(np.arange(1.0, n + 1)) + np.diag(np.ones(n - 1), 1)
    used = csc_array(matrix) if sparse else matrix
    res = solve_ivp(
        lambda t, y: matrix @ y, (0, 1), np.ones(n), method=sm.NeuralCollocation, rtol=1e-9, atol=1e-12, jac=used
    )
    from scipy.linalg import expm

    assert res.success
    assert res.njev == 0
    assert_allclose(res.y[:, -1], expm(matrix) @ np.ones(n), rtol=1e-7, atol=1e-11)


def test_complex_systems():
    matrix = np.array(
        [[-0.25 + 0.14j, 0, 0.33 + 0.44j], [0.25 + 0.58j, -0.2 + 0.14j, 0], [0, 0.2 + 0.4j, -0.1 + 0.97j]]
    )
    y0 = np.array([10 + 0j, 20 + 0j, 30 + 0j])
    res = solve_ivp(lambda t, y: matrix @ y, (0, 25), y0, method=sm.NeuralCollocation, rtol=1e-9, atol=1e-9)
    from scipy.linalg import expm

    assert_allclose(res.y[:, -1], expm(25 * matrix) @ y0, rtol=1e-8)
    jac = solve_ivp(lambda t, y: matrix @ y, (0, 25), y0, method=sm.NeuralCollocation, rtol=1e-9, atol=1e-9, jac=matrix)
    assert_allclose(jac.y[:, -1], res.y[:, -1], rtol=1e-8)


def test_a_span_of_nan_is_refused():
    with pytest.raises(ValueError, match="`t_bound`"):
        solve_ivp(lotka_volterra, (0, np.nan), [10.0, 5.0], method=sm.NeuralCollocation)


def test_both_directions_return():
    forth = run(lotka_volterra)
    back = solve_ivp(lotka_volterra, (15, 0), forth.y[:, -1], method=sm.NeuralCollocation, rtol=1e-8, atol=1e-10)
    assert_allclose(back.y[:, -1], [10.0, 5.0], rtol=1e-5)


def test_substeps_are_steps_of_the_same_solution():
    one = solve_ivp(
        lotka_volterra, (0, 5), [10.0, 5.0], method=sm.NeuralCollocation, dense_output=True, rtol=1e-6, substeps=1
    )
    four = solve_ivp(
        lotka_volterra, (0, 5), [10.0, 5.0], method=sm.NeuralCollocation, dense_output=True, rtol=1e-6, substeps=4
    )
    assert len(four.t) == 4 * (len(one.t) - 1) + 1
    assert_equal(four.t[::4], one.t)
    assert_equal(four.y[:, ::4], one.y)
    t = np.linspace(0, 5, 333)
    assert_allclose(four.sol(t), one.sol(t), rtol=1e-13)
    assert_allclose(sm.Solution.from_ode_solution(four.sol)(t), one.sol(t), rtol=1e-13)
    assert len(sm.Solution.from_ode_solution(four.sol).y) == len(one.t) - 1


class TestCompiledWithArgs:
    """`args` reach compiled f by its address, from either solve_ivp, and other values need no other code."""

    @staticmethod
    def make():
        return numba.njit(lambda t, y, rate, k, table: (y[1] * table[0, 1], -rate * y[0] * k))

    @pytest.mark.parametrize("solve", [solve_ivp, sm.solve_ivp])
    def test_the_solution_is_that_of_plain_f(self, solve, monkeypatch):
        fun = self.make()
        seen = []
        original = March.__init__

        def watched(self, basis, field, *args):
            original(self, basis, field, *args)
            seen.append(field.compiled is not None)

        monkeypatch.setattr(March, "__init__", watched)
        through = quick.solve_alone
        monkeypatch.setattr(quick, "solve_alone", lambda *given: seen.append(True) or through(*given))
        made = None
        for args in ((1.0, 2, np.ones((2, 2))), (2.0, 3, np.full((2, 2), 0.5))):
            options = {"method": sm.NeuralCollocation, "rtol": 1e-8, "atol": 1e-10}
            res = solve(fun, (0, 5), [1.0, 0.0], args=args, **options)
            assert seen
            assert all(seen)
            frequency = np.sqrt(args[0] * args[1] * args[2][0, 1])
            assert_allclose(res.y[0, -1], np.cos(5.0 * frequency), atol=1e-6)
            assert made in (None, [layer for _, layer in fun._sigmode_layers.values()])
            made = [layer for _, layer in fun._sigmode_layers.values()]
        assert len(made) == 1

    def test_numbers_tuples_lists_and_arrays_may_be_returned(self):
        for fun in (
            lambda t, y: (y[1], -y[0]),
            lambda t, y: (y[1], 0),
            lambda t, y: [y[1], -y[0]],
            lambda t, y: np.array([y[1], -y[0]]),
        ):
            res = sm.solve_ivp(numba.njit(fun), (0, 1), [1.0, 0.5], rtol=1e-8)
            assert_allclose(res.y[:, -1], sm.solve_ivp(fun, (0, 1), [1.0, 0.5], rtol=1e-8).y[:, -1], rtol=1e-8)
        res = sm.solve_ivp(numba.njit(lambda t, y: -y[0]), (0, 1), [1.0], rtol=1e-8)
        assert_allclose(res.y[0, -1], np.exp(-1), rtol=1e-7)

    def test_other_args_are_passed_by_python_with_a_warning(self):
        fun = numba.njit(lambda t, y, name: -y if name == "decay" else y)
        with pytest.warns(UserWarning, match="`fun` is compiled, but called through Python.*`args`"):
            res = solve_ivp(fun, (0, 1), [1.0], method=sm.NeuralCollocation, args=("decay",))
        assert_allclose(res.y[0, -1], np.exp(-1), rtol=1e-3)

    def test_events_and_jac_get_args_too(self):
        def hits(t, y, rate):
            return y[0] - 0.5 / rate

        hits.terminal = True
        jac = numba.njit(lambda t, y, rate: np.array([[-rate]]))
        res = sm.solve_ivp(
            numba.njit(lambda t, y, rate: -rate * y), (0, 5), [1.0], args=(2.0,), events=hits, jac=jac, rtol=1e-8
        )
        assert_allclose(res.t[-1], np.log(4.0) / 2.0, rtol=1e-7)
        with pytest.raises(TypeError, match="'args' cannot be unpacked"):
            sm.solve_ivp(lambda t, y, a: -y, (0, 1), [1.0], args=3.0)


class TestComplexStep:
    """An imaginary part of 1e-20 carries a derivative, and is solved as exactly as the real part."""

    @pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
    @pytest.mark.parametrize("solve", [solve_ivp, sm.solve_ivp])
    def test_derivatives_are_at_least_as_good_as_those_of_rk45(self, solve, rtol):
        logistic = lambda t, y: y * (1 - y)
        grown = np.exp(5.0)
        exact = grown / (0.9 + 0.1 * grown) ** 2
        options = {"rtol": rtol, "atol": 1e-3 * rtol}
        errors = []
        for solver, method in ((solve, sm.NeuralCollocation), (solve_ivp, "RK45")):
            res = solver(logistic, (0, 5), [0.1 + 1e-20j], method=method, **options)
            errors.append(abs(res.y[0, -1].imag / 1e-20 / exact - 1))
        assert errors[0] <= errors[1]

    def test_of_a_system_by_a_parameter(self):
        """d/dw of cos(w t) at w = 2."""
        fun = lambda t, y: np.array([y[1], -((2.0 + 1e-20j) ** 2) * y[0]])
        res = solve_ivp(fun, (0, 10), [1.0 + 0j, 0.0], method=sm.NeuralCollocation, rtol=1e-8, atol=1e-10)
        assert_allclose(res.y[0, -1].imag / 1e-20, -10.0 * np.sin(20.0), rtol=1e-6)

    def test_what_is_real_stays_real(self):
        res = solve_ivp(lambda t, y: -y * (1 + t), (0, 3), [1.0 + 0j], method=sm.NeuralCollocation, rtol=1e-9)
        assert res.success
        assert not res.y.imag.any()


class TestAllNodesInOneCall:
    """Plain f that only computes and takes all nodes at once is found out, and compared with single calls."""

    @staticmethod
    def solved(fun, y0=(1.0, 0.0)):
        field = VectorField(fun, 2, float, False)
        t = np.linspace(0.0, 1.0, 8)
        Y, K = np.tile(y0, (8, 1)) + t[:, None], np.empty((8, 2))
        field.nodes(t, Y, K)
        assert_equal(K, [fun(moment, y) for moment, y in zip(t, Y, strict=True)])
        return field

    def test_one_call_where_it_works(self):
        field = self.solved(lambda t, y: np.array([y[1], -y[0] * np.cos(t)]))
        assert field._whole
        assert field.nfev == 8

    @pytest.mark.parametrize(
        "fun",
        [
            lambda t, y: np.array([y[1], -y[0] if t < 0.5 else y[0]]),  # raises an exception
            lambda t, y: np.array([y[1], -y.sum()]),  # another meaning
            lambda t, y: np.array([y[1], -y[0] * np.max(y)]),
            lambda t, y: np.array([y[1], 1.0]),  # a ragged array
        ],
    )
    def test_single_calls_where_it_does_not(self, fun):
        assert self.solved(fun)._whole is False

    def test_what_leaves_a_trace_sees_one_point_at_a_time(self):
        seen = []

        def fun(t, y):
            seen.append((t, y.shape))
            return -y

        solve_ivp(fun, (0, 1), [1.0, 2.0], method=sm.NeuralCollocation)
        assert {shape for _, shape in seen} == {(2,)}
        assert all(np.ndim(t) == 0 for t, _ in seen)


def test_f_may_return_the_same_array_every_time():
    """Robertson's problem: differences for df/dy must not see the last value in all of them."""
    room = np.zeros(3)

    def fun(t, y):
        room[0] = -0.04 * y[0] + 1e4 * y[1] * y[2]
        room[2] = 3e7 * y[1] ** 2
        room[1] = -room[0] - room[2]
        return room

    res = sm.solve_ivp(fun, (0, 1e4), [1.0, 0.0, 0.0], rtol=1e-6, atol=1e-10)
    own = sm.solve_ivp(lambda t, y: fun(t, y).copy(), (0, 1e4), [1.0, 0.0, 0.0], rtol=1e-6, atol=1e-10)
    assert res.success
    assert res.nfev == own.nfev
    assert_equal(res.y, own.y)
