"""What compiled code does for a compiled f in a few calls is what the same problem gets from Python."""

import functools
import math

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp as scipy_solve_ivp

import sigmode as sm
from sigmode.compiled.begin import begin
from sigmode.compiled.between import _judged
from sigmode.compiled.functions import on_nodes
from sigmode.compiled.growth import _powers_decay, grows
from sigmode.compiled.kinks import looks_odd
from sigmode.compiled.local_error import local_error, room_for_error
from sigmode.compiled.series import continue_rows, continued
from sigmode.compiled.simple import integrate, sweep, times
from sigmode.compiled.split import by_eigenvalues
from sigmode.compiled.window import CONVERGED
from sigmode.ivp import quick_compiled as module
from sigmode.ivp.kinks import find
from sigmode.ivp.noise import AT, RESIDUALS, scatter
from sigmode.trial.basis import basis
from sigmode.user.field import VectorField

PROBLEMS = {
    "decay": (lambda t, y: (-y[0],), (0.0, 5.0), [1.0]),
    "backwards": (lambda t, y: (-y[0] + math.sin(t),), (3.0, -2.0), [1.0]),
    "Lotka-Volterra": (lambda t, y: (1.5 * y[0] - y[0] * y[1], -3 * y[1] + y[0] * y[1]), (0.0, 15.0), [10.0, 5.0]),
    "pendulum": (lambda t, y: (y[1], -math.sin(y[0])), (0.0, 10.0), [2.0, 0.0]),
    "Lorenz": (
        lambda t, y: (10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]),
        (0.0, 5.0),
        [1.0, 1.0, 1.0],
    ),
    "van der Pol": (lambda t, y: (y[1], 100 * (1 - y[0] ** 2) * y[1] - y[0]), (0.0, 150.0), [2.0, 0.0]),
    "ROBER": (
        lambda t, y: (
            -0.04 * y[0] + 1e4 * y[1] * y[2],
            0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1] ** 2,
            3e7 * y[1] ** 2,
        ),
        (0.0, 1e3),
        [1.0, 0.0, 0.0],
    ),
    "kink": (lambda t, y: (abs(t - 1.2345) - 0.1 * y[0],), (0.0, 3.0), [1.0]),
    "jump": (lambda t, y: ((1.0 if t < 1.2345 else -2.0) - 0.1 * y[0],), (0.0, 3.0), [1.0]),
    "pulse": (lambda t, y: (math.exp(-((t - 60.0) ** 2)) - 0.01 * y[0],), (0.0, 100.0), [1.0]),
    "growth": (lambda t, y: (y[0],), (0.0, 30.0), [1.0]),
    "blow-up": (lambda t, y: (y[0] ** 2,), (0.0, 3.0), [1.0]),
    "not a number": (lambda t, y: (math.sqrt(1.0 - t) - y[0] if t < 1.0 else math.nan,), (0.0, 3.0), [1.0]),
    "at rest": (lambda t, y: (0.0 * y[0], y[0] - y[1]), (0.0, 3.0), [0.0, 1.0]),
}


@functools.cache
def compiled_fun(name):
    return numba.njit(PROBLEMS[name][0])


def both(monkeypatch, name, **options):
    """`sm.solve_ivp` with and without the way in compiled code."""
    _, span, y0 = PROBLEMS[name]
    compiled = compiled_fun(name)
    found = sm.solve_ivp(compiled, span, y0, **options)
    used = []
    with monkeypatch.context() as patch:
        patch.setattr("sigmode.ivp.solve_ivp.shortcut", lambda otherwise, *args: used.append(1) or otherwise)
        expected = sm.solve_ivp(compiled, span, y0, **options)
    assert used
    return found, expected


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_result_is_that_of_the_long_way(monkeypatch, name, rtol):
    options = {"rtol": rtol, "atol": 1e-2 * rtol}
    found, expected = both(monkeypatch, name, **options)
    assert (found.status, found.success, found.message) == (expected.status, expected.success, expected.message)
    assert_allclose(found.sol.x, expected.sol.x, rtol=1e-9)
    scale = abs(expected.y).max(axis=1, keepdims=True) + 1e-3
    points = np.linspace(found.sol.x[0], found.sol.x[-1], 101)
    assert_allclose(found.sol(points) / scale, expected.sol(points) / scale, atol=1e-3 * rtol)
    assert_allclose(found.sol.error(points), expected.sol.error(points), rtol=0.3, atol=1e-3 * rtol * scale.max())
    assert_allclose(found.t[[0, -1]], expected.t[[0, -1]])
    assert found.t.shape == found.error.shape[1:] == found.y.shape[1:]
    assert abs(found.t.size - expected.t.size) <= 0.1 * expected.t.size + 2
    assert_allclose(found.y, found.sol(found.t), rtol=1e-9, atol=1e-9 * scale.max())
    assert abs(found.nfev - expected.nfev) <= 0.2 * expected.nfev + 100
    assert found.t_events is found.y_events is None
    assert found.keys() == expected.keys()


@pytest.mark.parametrize(
    "options",
    [
        {"t_eval": np.linspace(0, 15, 40)},
        {"t_eval": []},
        {"t_eval": [15.0]},
        {"first_step": 0.01},
        {"max_step": 0.1},
        {"max_windows": 5},
        {"atol": 0.0},
        {"atol": [1e-6, 1e-9], "rtol": [1e-4, 1e-6]},
        {"error_control": "local"},
        {"dense_output": True},
    ],
)
def test_options_mean_the_same(monkeypatch, options):
    name = "Lotka-Volterra"
    found, expected = both(monkeypatch, name, **{"rtol": 1e-6, **options})
    assert (found.status, found.message) == (expected.status, expected.message)
    assert_allclose(found.t[:: max(1, found.t.size - 1)], expected.t[:: max(1, expected.t.size - 1)])
    if "t_eval" in options:
        assert_allclose(found.t, expected.t)
    assert_allclose(found.sol.x, expected.sol.x, rtol=1e-6)
    assert_allclose(found.y, found.sol(found.t), rtol=1e-9)


def test_it_is_used_where_nobody_looks_on(monkeypatch):
    made = []
    monkeypatch.setattr(
        module.QuickCompiled,
        "__call__",
        lambda self, *args, **options: made.append(1) or self._otherwise(*args, **options),
    )
    fun, span, y0 = PROBLEMS["decay"]
    compiled = compiled_fun("decay")
    sm.solve_ivp(compiled, span, y0)
    assert made == [1]
    for options in (
        {"callback": lambda intermediate_result: None},
        {"events": lambda t, y: y[0] - 0.5},
        {"jac": lambda t, y: [[-1.0]]},
        {"breaks": [1.0]},
        {"substeps": 2},
    ):
        assert sm.solve_ivp(compiled, span, y0, **options).success
    assert sm.solve_ivp(compiled, span, [1.0 + 0.0j]).success
    assert sm.solve_ivp(fun, span, y0).success
    assert sm.solve_ivp(compiled, (0.0, 0.0), y0).success
    assert made == [1]


def test_an_exception_of_f_passes_through():
    @numba.njit
    def fun(t, y):
        if t > 1.0:
            raise ValueError("too late")
        return (-y[0],)

    with pytest.raises(ValueError, match="too late"):
        sm.solve_ivp(fun, (0, 3), [1.0])


@pytest.mark.parametrize("rtol", [1e-4, 1e-8])
def test_the_error_of_the_solution(rtol):
    fun, span, y0 = PROBLEMS["pendulum"]
    res = sm.solve_ivp(numba.njit(fun), span, y0, rtol=rtol, atol=rtol)
    exact = scipy_solve_ivp(fun, span, y0, method="DOP853", rtol=1e-13, atol=1e-13, dense_output=True).sol
    true = abs(res.y - exact(res.t))
    assert (true <= rtol * (1.0 + abs(res.y))).all()
    assert (true <= 3.0 * res.error + 1e-11).all()


def rows_of(b, values, behind):
    """Values (s, n) as compiled code has them, (n, m), with others behind the nodes."""
    rows = np.empty((values.shape[1], b.transposed.shape[1]))
    rows[:] = np.reshape(behind, (-1, 1))
    rows[:, : b.s] = values.T
    return rows


class TestParts:
    """Pieces of compiled code against NumPy or against the same in Python."""

    @pytest.mark.parametrize("n", [1, 2, 3, 4, 8])
    def test_growth_is_that_of_the_eigenvalues(self, n):
        rng = np.random.default_rng(n)
        run = numba.njit(lambda *args: grows(*args))
        df_dy = rng.standard_normal((500, n, n)) - 0.5 * np.sqrt(n) * np.eye(n)
        h = np.ones(1)
        found = [run(J[None], h, 1, 0.3) for J in df_dy]
        assert found == [bool(np.linalg.eigvals(J).real.max() > 0.3) for J in df_dy]
        assert 50 < sum(found) < 450
        assert not run(np.full((1, n, n), np.nan), h, 1, 0.3)
        assert [run(1e-150 * J[None], h, 1, 0.3e-150) for J in df_dy] == found

    @pytest.mark.parametrize("n", [4, 8, 11])
    def test_powers_decay_where_all_eigenvalues_lie_to_the_left(self, n):
        rng = np.random.default_rng(n)
        run = numba.njit(lambda J: _powers_decay(J))
        random = rng.standard_normal((500, n, n)) - 0.9 * np.sqrt(n) * np.eye(n)
        left = np.array([np.linalg.eigvals(J).real.max() < 0.0 for J in random])
        assert not any(run(J) for J in random[~left])
        assert np.mean([run(J) for J in random[left]]) > 0.95
        turned = [np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(50)]
        stiff = [Q * -(10.0 ** rng.uniform(-6.0, 0.0, n)) @ Q.T for Q in turned]
        assert np.mean([run(J) for J in stiff]) > 0.9
        assert not any(run(J - 1.1 * np.linalg.eigvalsh(J).max() * np.eye(n)) for J in stiff)

    @pytest.mark.parametrize("again", [False, True])
    @pytest.mark.parametrize(("s", "n"), [(6, 1), (8, 2), (14, 3), (21, 5)])
    def test_products_by_vectors(self, s, n, again):
        rng = np.random.default_rng(s)
        b, y, h = basis(s), rng.standard_normal(n), 0.3
        K, start = rows_of(b, rng.standard_normal((s, n)), np.nan), rows_of(b, rng.standard_normal((s, n)), y)
        atol, rtol = np.full(n, 1e-6), np.full(n, 1e-3)

        @numba.njit
        def run(transposed, judging, y, atol, rtol, K, swept, again):
            start = swept.copy()
            Y, judged = np.empty(K.shape), np.full((K.shape[0], judging.shape[1] + 8), 7.0)
            integrate(0.3, transposed, y, K, Y)
            times(judging, K, judged, 8)
            inverse = np.empty(K.shape)
            first = sweep(0.3, transposed, y, atol, rtol, K, swept, np.inf, inverse)
            if again:
                swept[:] = start
                return Y, judged, sweep(0.3, transposed, y, atol, rtol, K, swept, 1.0, inverse)
            return Y, judged, first

        swept = start.copy()
        Y, judged, (size, unseen) = run(b.transposed, b.judging_transposed, y, atol, rtol, K, swept, again)
        assert unseen == 0.0
        exact = y + h * b.A @ K[:, :s].T
        assert_allclose(Y[:, :s].T, exact, rtol=1e-14, atol=1e-14)
        assert_allclose(Y[:, s:], np.tile(y, (Y.shape[1] - s, 1)).T, rtol=0)
        assert_allclose(judged[:, 8 : 8 + s].T, b.to_legendre @ K[:, :s].T, rtol=1e-12, atol=1e-13)
        assert_allclose(judged[:, 8 + Y.shape[1] :][:, :s].T, b.difference @ K[:, :s].T, rtol=1e-12, atol=1e-13)
        assert (judged[:, :8] == 7.0).all()
        assert_allclose(swept, Y, rtol=0)
        weight = atol + rtol * np.maximum(abs(y), abs(exact))
        assert_allclose(size, (abs(exact - start[:, :s].T) / weight).max(), rtol=1e-12)
        tiny = 1e-9 * y, 1e-9 * K + 4e-9, 1e-9 * start  # grows by more than it is
        unseen = run(b.transposed, b.judging_transposed, tiny[0], atol, rtol, tiny[1], tiny[2].copy(), again)[2][1]
        after = tiny[0] + h * b.A @ tiny[1][:, :s].T
        grows = abs(after).max(axis=0) > 2.0 * abs(tiny[0])
        moved = abs(after - tiny[2][:, :s].T).max(axis=0) / (rtol * abs(after).max(axis=0))
        assert_allclose(unseen, np.where(grows, moved, 0.0).max(), rtol=1e-9)
        K[-1, s - 1] = np.nan
        assert run(b.transposed, b.judging_transposed, y, atol, rtol, K, swept, again)[2][0] == np.inf

    @pytest.mark.parametrize("s", [6, 9, 14, 20])
    @pytest.mark.parametrize("simple", [True, False])
    def test_the_local_error_is_that_of_windows_in_python(self, s, simple):
        rng = np.random.default_rng(s)
        n, h, b = 3, 0.4, basis(s)
        atol, rtol = np.full(n, 1e-6), np.full(n, 1e-4)
        df_dy = np.zeros((n, n)) if simple else rng.standard_normal((n, n)) * 20.0
        y, f = rng.standard_normal((2, n))
        K = np.exp(np.outer(b.nodes, rng.standard_normal(n)))
        Y = y + h * b.A @ K
        rooms = np.empty((2 + s, n)), np.empty(n), np.empty((n, n)), np.empty(n, dtype=np.int64)
        series = np.empty((s, n))
        expected = numba.njit(lambda *args: _judged(*args))(
            h, y, f, Y, K, b.judging, b.last_four, b.first, df_dy, *rooms, atol, rtol, series
        )

        @numba.njit
        def run(simple, first, judging, last_four, y, f, atol, rtol, Y, K, df_dy):
            n, s = y.size, judging.shape[0]
            room, legendre = room_for_error(n, Y.shape[1]), np.empty((s, n))
            square, pivots = np.empty((n, n)), np.empty(n, dtype=np.int64)
            error = local_error(
                0.4, simple, first, judging, last_four, y, f, atol, rtol, Y, K, df_dy, square, pivots, room, legendre
            )
            return error, legendre

        rows = rows_of(b, Y, y), rows_of(b, K, np.nan)
        tables = b.first, b.judging_transposed, b.last_four_transposed
        error, legendre = run(simple, *tables, y, f, atol, rtol, *rows, df_dy)
        assert_allclose(error, expected, rtol=1e-9)
        assert_allclose(legendre, series, rtol=1e-12, atol=1e-13)
        rows[1][1, 2] = np.nan
        assert np.isnan(run(simple, *tables, y, f, atol, rtol, *rows, df_dy)[0])

    @pytest.mark.parametrize(
        ("degree", "offset", "ratio"), [(0, 1.0, 1.0), (1, 0.0, 0.5), (6, 1.0, 1.3), (8, 0.0, 0.9)]
    )
    def test_slopes_are_continued_as_in_python(self, degree, offset, ratio):
        b, n = basis(9), 3
        series = np.random.default_rng(degree).standard_normal((9, n))
        K, rows = np.empty((9, n)), np.empty((n, 16))
        continued(b.nodes, series, degree, offset, ratio, K)
        run = numba.njit(lambda *args: continue_rows(*args))
        run(b.padded_nodes, series, degree, offset, ratio, rows)
        assert_allclose(rows[:, :9].T, K, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("s", [6, 9, 14, 20])
    @pytest.mark.parametrize(
        "J",
        [
            [[-1e3, 5.0, 0.0], [3.0, -2.0, 7.0], [0.0, -7.0, -2.0]],
            [[0.0, 1e4, 0.0], [-1e4, 0.0, 1.0], [1e5, 1.0, -1e3]],  # whose rows have to be exchanged
        ],
    )
    def test_a_linear_problem_takes_one_system_for_each_eigenvalue(self, s, J):
        J = np.array(J)
        b, y, h = basis(s), np.array([1.0, -2.0, 3.0]), 0.4
        called = on_nodes(numba.njit(lambda t, y, J: J @ y), (J,), 3)

        @numba.njit
        def run(address, words, t, transposed, eigenvalues, apart, together, y, J, Y, K):
            atol, rtol, before, step = np.full(3, 1e-10), np.full(3, 1e-10), np.empty(K.shape), np.empty(K.shape)
            return by_eigenvalues(
                address, words, t, 0.4, transposed, eigenvalues, apart, together, y, J, atol, rtol, Y, K, before, step
            )

        Y, K = rows_of(b, np.tile(y, (s, 1)), y), rows_of(b, np.zeros((s, 3)), np.nan)
        said, sweeps, _, _ = run(called.address, called.words(), h * b.nodes, b.transposed, *b.split, y, J, Y, K)
        exact = np.linalg.solve(np.eye(3 * s) - h * np.kron(b.A, J), np.tile(y, s)).reshape(s, 3)
        assert said == CONVERGED
        assert sweeps <= 5
        assert_allclose(Y[:, :s].T, exact, rtol=1e-8, atol=1e-9)
        assert_allclose(K[:, :s].T, Y[:, :s].T @ J.T, rtol=1e-6, atol=1e-6 * abs(J).max())

    @pytest.mark.parametrize("name", ["decay", "Lotka-Volterra", "Lorenz", "at rest", "backwards"])
    @pytest.mark.parametrize("max_step", [np.inf, 0.01])
    def test_the_first_window(self, name, max_step):
        fun, span, y0 = PROBLEMS[name]
        called, s = on_nodes(numba.njit(fun), (), len(y0)), 14
        y, f = np.array(y0), np.empty(len(y0))
        h_abs, calls = begin(called.address, called.words(), *span, max_step, 1e-6, y, f, np.full(y.size, 1e-3), s)
        solver = sm.NeuralCollocation(fun, span[0], y0, span[1], rtol=1e-6, atol=1e-9, max_step=max_step)
        assert solver._basis.s == s
        assert_allclose(h_abs, solver._march._numbers[4], rtol=1e-9)
        assert calls == solver.field.nfev
        assert_allclose(f, fun(span[0], y))

    @pytest.mark.parametrize(
        "fun",
        [
            lambda t, y: -y[0] + math.sin(t),
            lambda t, y: -y[0] + abs(t - 0.4321),
            lambda t, y: -y[0] + (0.0 if t < 0.4321 else 1.0),
            lambda t, y: round(1e4 * (-y[0] + math.sin(t))) / 1e4,
            lambda t, y: -y[0] + math.sin(40.0 * t),
            lambda t, y: -y[0] + math.exp(-((t - 0.5) ** 2) * 400.0),
        ],
    )
    @pytest.mark.parametrize("h", [0.1, 0.7, -0.7])
    def test_it_looks_odd_where_python_finds_something(self, fun, h):
        called, field = on_nodes(numba.njit(fun), (), 1), VectorField(fun, 1, float, False)
        b, y, t0 = basis(14), np.array([1.0]), (0.0 if h > 0 else 0.8)
        t = t0 + h * b.nodes
        Y = np.exp(-(t - t0))[:, None]
        K = np.array([[fun(moment, value)] for moment, value in zip(t, Y, strict=True)])
        f = np.array([fun(t0, y)])
        weight = np.full(1, 1e-7)
        found = {
            noise: looks_odd(
                called.address, called.words(), t0, y, f, h, t, Y, K, weight, np.zeros(1), noise, AT, RESIDUALS
            )
            for noise in (False, True)
        }
        kink = find(field, (t0, y, f), (t, Y, K), weight)
        noisy = scatter(field, (t0, y, f), h, weight) is not None
        assert found[True] == (found[False] or noisy)
        assert found[False] or kink is None


@pytest.mark.parametrize(
    ("fun", "y0"),
    [(lambda t, y: (y[1], -np.sign(y[0])), [1.0, 0.0]), (lambda t, y: (y[1], -y[0] - 0.5 * abs(y[0])), [1.0, 0.0])],
)
def test_many_kinks_take_no_memory(fun, y0):
    # room for windows used to grow fourfold at each look of Python at a kink: 76 GiB after a dozen
    res = sm.solve_ivp(numba.njit(fun), (0, 60), y0, rtol=1e-6, atol=1e-8)
    exact = scipy_solve_ivp(fun, (0, 60), y0, method="DOP853", rtol=1e-9, atol=1e-10, max_step=0.05)
    assert res.success
    assert abs(res.y[:, -1] - exact.y[:, -1]).max() < 1e-3


@pytest.mark.parametrize("n", [24, 25, 65])
@pytest.mark.parametrize("options", [{}, {"events": lambda t, y: y[0] - 1.5}, {"error_control": "local"}])
def test_many_equations(n, options):
    y0 = np.linspace(1, 2, n)
    res = sm.solve_ivp(numba.njit(lambda t, y: -y), (0, 2), y0, rtol=1e-6, atol=1e-9, **options)
    assert res.success
    assert_allclose(res.y[:, -1], y0 * np.exp(-2.0), rtol=1e-6)


@pytest.mark.parametrize("y0", [1e-12, 1e-18, 1e-24, 1e-30])
@pytest.mark.parametrize("end", [3.0, 6.0, 8.0])
def test_what_grows_from_far_below_atol_is_followed(y0, end):
    res = sm.solve_ivp(numba.njit(lambda t, y: 10.0 * y * (1.0 - y)), (0, end), [y0], rtol=1e-6, atol=1e-6)
    exact = 1.0 / (1.0 + (1.0 / y0 - 1.0) * math.exp(-10.0 * end))
    assert_allclose(res.y[0, -1], exact, rtol=3e-3)
    assert not res.success or abs(res.y[0, -1] - exact) <= 3e-6 * (1.0 + exact)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("slope", "begins", "end"), [(1.0, 1.0, 2.0), (10.0, 3.3, 10.0), (100.0, 61.7, 100.0)])
@pytest.mark.parametrize("tol", [1e-4, 1e-8])
def test_a_ramp_after_a_rest(compiled, slope, begins, end, tol):
    fun = lambda t, y, a, t0: (a * max(t - t0, 0.0),)
    fun = numba.njit(fun) if compiled else fun
    res = sm.solve_ivp(fun, (0, end), [1.0], args=(slope, begins), rtol=tol, atol=tol)
    t = np.linspace(begins, end, 300)
    exact = 1.0 + 0.5 * slope * (t - begins) ** 2
    assert res.success
    assert (abs(res.sol(t)[0] - exact) <= tol * (1.0 + exact)).all()


def test_python_may_keep_the_y_that_it_gets():
    kept = []

    def keep(y):
        kept.append(y)
        return -y

    @numba.njit
    def fun(t, y):
        with numba.objmode(out="float64[:]"):
            out = keep(y)
        return 1.0 * out

    assert sm.solve_ivp(fun, (0, 2), [1.0, 2.0]).success
    assert kept[0].tolist() == [1.0, 2.0]
    assert len({y.ctypes.data for y in kept[:20]}) == 20


FACTOR = 1.0


@pytest.mark.parametrize("signature", [None, "UniTuple(float64, 1)(float64, float64[:])", "(float64, float64[::1])"])
def test_f_may_be_compiled_again(monkeypatch, signature):
    """Also where its only compilation is not for the types that it is called with."""
    fun = numba.njit(*([signature] if signature else []))(lambda t, y: (FACTOR * y[0],))
    for factor in (1.0, -1.0):
        monkeypatch.setitem(globals(), "FACTOR", factor)
        fun.recompile()
        assert_allclose(sm.solve_ivp(fun, (0, 1), [1.0]).y[0, -1], math.exp(factor), rtol=1e-3)
