"""SciPy's own tests of its initial value solvers (scipy/integrate/_ivp/tests/test_ivp.py), with our method.

Counts of evaluations and factorisations may be three times SciPy's bounds.
"""

import warnings
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_equal
from scipy.integrate import solve_ivp
from scipy.sparse import coo_matrix, csc_matrix

import sigmode as sm
from sigmode import NeuralCollocation


def fun_zero(t, y):
    return np.zeros_like(y)


def fun_linear(t, y):
    return np.array([-y[0] - 5 * y[1], y[0] + y[1]])


JAC_LINEAR = np.array([[-1, -5], [1, 1]])


def sol_linear(t):
    return np.vstack((-5 * np.sin(2 * t), 2 * np.cos(2 * t) + np.sin(2 * t)))


def fun_rational(t, y):
    return np.array([y[1] / t, y[1] * (y[0] + 2 * y[1] - 1) / (t * (y[0] - 1))])


def fun_rational_vectorized(t, y):
    return np.vstack((y[1] / t, y[1] * (y[0] + 2 * y[1] - 1) / (t * (y[0] - 1))))


def jac_rational(t, y):
    return np.array([[0, 1 / t], [-2 * y[1] ** 2 / (t * (y[0] - 1) ** 2), (y[0] + 4 * y[1] - 1) / (t * (y[0] - 1))]])


def jac_rational_sparse(t, y):
    return csc_matrix(jac_rational(t, y))


def sol_rational(t):
    return np.asarray((t / (t + 10), 10 * t / (t + 10) ** 2))


def fun_medazko(t, y):
    n = y.shape[0] // 2
    k, c = 100, 4
    phi = 2 if t <= 5 else 0
    y = np.hstack((phi, 0, y, y[-2]))
    d = 1 / n
    j = np.arange(n) + 1
    alpha = 2 * (j * d - 1) ** 3 / c**2
    beta = (j * d - 1) ** 4 / c**2
    right, left, here, other = 2 * j + 2, 2 * j - 2, 2 * j, 2 * j + 1
    f = np.empty(2 * n)
    diffusion = beta * (y[left] - 2 * y[here] + y[right]) / d**2
    f[::2] = alpha * (y[right] - y[left]) / (2 * d) + diffusion - k * y[here] * y[other]
    f[1::2] = -k * y[other] * y[here]
    return f


def medazko_sparsity(n):
    i = np.arange(n) * 2
    odd = i + 1
    cols = np.hstack([i[1:], i, i, i[:-1], odd, odd])
    rows = np.hstack([i[1:] - 2, i, i + 1, i[:-1] + 2, odd, odd - 1])
    return coo_matrix((np.ones_like(cols), (cols, rows)))


def fun_complex(t, y):
    return -y


def jac_complex(t, y):
    return -np.eye(y.shape[0])


def jac_complex_sparse(t, y):
    return csc_matrix(jac_complex(t, y))


def sol_complex(t):
    return ((0.5 + 1j) * np.exp(-t)).reshape((1, -1))


def compute_error(y, y_true, rtol, atol):
    e = (y - y_true) / (atol + rtol * np.abs(y_true))
    return np.linalg.norm(e, axis=0) / np.sqrt(e.shape[0])


def check_plain(res, t0):
    assert_equal(res.t[0], t0)
    assert res.t_events is None
    assert res.y_events is None
    assert res.success
    assert_equal(res.status, 0)


def check_accuracy(res, t_span, solution, rtol, atol, steps=5, dense=5):
    assert np.all(compute_error(res.y, solution(res.t), rtol, atol) < steps)
    tc = np.linspace(*t_span)
    assert np.all(compute_error(res.sol(tc), solution(tc), rtol, atol) < dense)


def test_duplicate_timestamps():
    def upward_cannon(t, y):
        return [y[1], -9.80665]

    def hit_ground(t, y):
        return y[0]

    hit_ground.terminal = True
    hit_ground.direction = -1
    sol = solve_ivp(
        upward_cannon, [0, np.inf], [0, 0.01], max_step=0.05 * 0.001 / 9.80665, events=hit_ground,
        dense_output=True, method=NeuralCollocation,
    )  # fmt: skip
    assert_allclose(sol.sol(0.01), np.asarray([-0.00039033, -0.08806632]), rtol=1e-5, atol=1e-8)
    assert_allclose(sol.t_events, np.asarray([[0.00203943]]), rtol=1e-5, atol=1e-8)
    assert_allclose(sol.y_events, [np.asarray([[0.0, -0.01]])], atol=1e-9)
    assert sol.success
    assert_equal(sol.status, 1)


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("t_span", [[5, 9], [5, 1]])
@pytest.mark.parametrize("jac", [None, jac_rational, jac_rational_sparse])
def test_integration(vectorized, t_span, jac):
    rtol, atol = 1e-3, 1e-6
    fun = fun_rational_vectorized if vectorized else fun_rational
    res = solve_ivp(
        fun, t_span, [1 / 3, 2 / 9], rtol=rtol, atol=atol, method=NeuralCollocation, dense_output=True, jac=jac,
        vectorized=vectorized,
    )  # fmt: skip
    check_plain(res, t_span[0])
    assert res.nfev < 3 * 40
    assert 0 < res.njev < 3 * 3
    assert 0 < res.nlu < 3 * 10
    check_accuracy(res, t_span, sol_rational, rtol, atol)
    tc = (t_span[0] + t_span[-1]) / 2
    assert np.all(compute_error(res.sol(tc), sol_rational(tc), rtol, atol) < 5)
    assert_allclose(res.sol(res.t), res.y, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("jac", [None, jac_complex, jac_complex_sparse])
def test_integration_complex(jac):
    rtol, atol = 1e-3, 1e-6
    res = solve_ivp(
        fun_complex, [0, 1], [0.5 + 1j], method=NeuralCollocation, dense_output=True, rtol=rtol, atol=atol, jac=jac
    )
    check_plain(res, 0)
    assert res.nfev < 3 * 25
    assert res.njev <= 3 * 1
    assert res.nlu < 3 * 6
    check_accuracy(res, [0, 1], sol_complex, rtol, atol)


def test_integration_sparse_difference():
    n = 200
    y0 = np.zeros(2 * n)
    y0[1::2] = 1
    res = solve_ivp(fun_medazko, [0, 20], y0, method=NeuralCollocation, jac_sparsity=medazko_sparsity(n))
    check_plain(res, 0)
    assert_allclose(res.y[78, -1], 0.233994e-3, rtol=1e-2)
    assert_allclose(res.y[79, -1], 0, atol=1e-3)
    assert_allclose(res.y[148, -1], 0.359561e-3, rtol=1e-2)
    assert_allclose(res.y[149, -1], 0, atol=1e-3)
    assert_allclose(res.y[198, -1], 0.117374129e-3, rtol=1e-2)
    assert_allclose(res.y[199, -1], 0.6190807e-5, atol=1e-3)
    assert_allclose(res.y[238, -1], 0, atol=1e-3)
    assert_allclose(res.y[239, -1], 0.9999997, rtol=1e-2)


@pytest.mark.parametrize("jac", [JAC_LINEAR, csc_matrix(JAC_LINEAR)], ids=["dense", "sparse"])
def test_integration_const_jac(jac):
    rtol, atol = 1e-3, 1e-6
    res = solve_ivp(
        fun_linear, [0, 2], [0, 2], rtol=rtol, atol=atol, method=NeuralCollocation, dense_output=True, jac=jac
    )
    check_plain(res, 0)
    assert res.nfev < 3 * 100
    assert_equal(res.njev, 0)
    assert 0 < res.nlu < 3 * 15
    check_accuracy(res, [0, 2], sol_linear, rtol, atol, steps=10, dense=15)
    assert_allclose(res.sol(res.t), res.y, rtol=1e-14, atol=1e-14)


def test_integration_stiff():
    def fun_robertson(t, state):
        x, y, z = state
        return [-0.04 * x + 1e4 * y * z, 0.04 * x - 1e4 * y * z - 3e7 * y * y, 3e7 * y * y]

    res = solve_ivp(fun_robertson, [0, 1e8], [1e4, 0, 0], rtol=1e-6, atol=1e-6, method=NeuralCollocation)
    assert res.success
    assert res.nfev < 3 * 5000
    assert res.njev < 3 * 200


def rational_events():
    def event_1(t, y):
        return y[0] - y[1] ** 0.7

    def event_2(t, y):
        return y[1] ** 0.6 - y[0]

    def event_3(t, y):
        return t - 7.4

    event_3.terminal = True
    return event_1, event_2, event_3


WINDOWS = ((5.3, 5.7), (7.3, 7.7), (7.3, 7.5))


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("direction", [0, 1, -1])
def test_events(backward, direction):
    t_span, y0 = ([8, 5], [4 / 9, 20 / 81]) if backward else ([5, 8], [1 / 3, 2 / 9])
    events = rational_events()
    events[0].direction = events[1].direction = direction
    res = solve_ivp(fun_rational, t_span, y0, method=NeuralCollocation, events=events[:2])
    assert_equal(res.status, 0)
    rising = -1 if backward else 1
    for k, seen in enumerate((direction in (0, rising), direction in (0, -rising))):
        assert_equal(res.t_events[k].size, int(seen))
        assert_equal(res.y_events[k].shape, (1, 2) if seen else (0,))
        if seen:
            assert WINDOWS[k][0] < res.t_events[k][0] < WINDOWS[k][1]
            assert np.isclose(events[k](res.t_events[k][0], res.y_events[k][0]), 0)


@pytest.mark.parametrize("backward", [False, True])
def test_terminal_event(backward):
    t_span, y0 = ([8, 5], [4 / 9, 20 / 81]) if backward else ([5, 8], [1 / 3, 2 / 9])
    events = rational_events()
    res = solve_ivp(fun_rational, t_span, y0, method=NeuralCollocation, events=events, dense_output=True)
    assert_equal(res.status, 1)
    first, other = (1, 0) if backward else (0, 1)
    for k in (first, 2):
        assert_equal(res.t_events[k].size, 1)
        assert WINDOWS[k][0] < res.t_events[k][0] < WINDOWS[k][1]
        assert_equal(res.y_events[k].shape, (1, 2))
        assert np.isclose(events[k](res.t_events[k][0], res.y_events[k][0]), 0)
        assert np.allclose(sol_rational(res.t_events[k][0]), res.y_events[k][0], rtol=1e-3, atol=1e-6)
    assert_equal(res.t_events[other].size, 0)
    assert_equal(res.y_events[other].shape, (0,))
    tc = np.linspace(res.t[0], res.t[-1])
    assert np.all(compute_error(res.sol(tc), sol_rational(tc), 1e-3, 1e-6) < 5)


@pytest.mark.parametrize("n_events", [3, 4])
def test_event_terminal_integer(n_events):
    def event(t, y):
        return y[0]

    event.terminal = n_events
    res = solve_ivp(lambda t, y: [y[1], -y[0]], (0, 100), [1, 0], events=event, method=NeuralCollocation)
    assert len(res.t_events[0]) == n_events
    assert len(res.y_events[0]) == n_events
    assert_allclose(res.y_events[0][:, 0], 0, atol=1e-14)


def test_event_terminal_iv():
    def event(t, y):
        return y[0]

    def solve(terminal):
        event.terminal = terminal
        return solve_ivp(lambda t, y: [y[1], -y[0]], (0, 100), [1, 0], events=event, method=NeuralCollocation)

    assert_allclose(solve(None).t_events, solve(0).t_events)
    for terminal in (-1, 3.5):
        with pytest.raises(ValueError, match="The `terminal` attribute"):
            solve(terminal)


@pytest.mark.parametrize("t_span", [[5, 9], [5, 1]])
@pytest.mark.parametrize("first_step", [None, 0.1])
def test_max_step_and_first_step(t_span, first_step):
    rtol, atol = 1e-3, 1e-6
    y0 = [1 / 3, 2 / 9]
    options = {} if first_step is None else {"first_step": first_step}
    res = solve_ivp(
        fun_rational, t_span, y0, rtol=rtol, max_step=0.5, atol=atol, method=NeuralCollocation, dense_output=True,
        **options,
    )  # fmt: skip
    check_plain(res, t_span[0])
    assert_equal(res.t[-1], t_span[-1])
    assert np.all(np.abs(np.diff(res.t)) <= 0.5 + 1e-15)
    if first_step is not None:
        assert_allclose(first_step, np.abs(res.t[1] - 5))
    check_accuracy(res, t_span, sol_rational, rtol, atol)
    assert_allclose(res.sol(res.t), res.y, rtol=1e-15, atol=1e-15)


def test_max_step_and_first_step_out_of_bounds():
    y0 = [1 / 3, 2 / 9]
    for t_bound in (9, 1):
        for options in ({"max_step": -1}, {"first_step": -1}, {"first_step": 5}):
            with pytest.raises(ValueError):
                NeuralCollocation(fun_rational, 5, y0, t_bound, **options)
        solver = NeuralCollocation(fun_rational, 5, y0, t_bound, rtol=1e-3, atol=1e-6, max_step=1e-20)
        solver.step()
        message = solver.step()  # the first step succeeds, the second one fails
        assert_equal(solver.status, "failed")
        assert "step size is less" in message
        with pytest.raises(RuntimeError):
            solver.step()


@pytest.mark.parametrize(
    ("t_span", "t_eval"),
    [
        ([5, 9], np.linspace(5, 9, 10)),
        ([5, 1], np.linspace(5, 1, 10)),
        ([5, 9], [5, 5.01, 7, 8, 8.01, 9]),
        ([5, 1], [5, 4.99, 3, 1.5, 1.1, 1.01, 1]),
        ([5, 9], [5.01, 7, 8, 8.01]),
        ([5, 1], [4.99, 3, 1.5, 1.1, 1.01]),
    ],
)
def test_t_eval(t_span, t_eval):
    rtol, atol = 1e-3, 1e-6
    arguments = {"rtol": rtol, "atol": atol, "t_eval": t_eval, "method": NeuralCollocation}
    res = solve_ivp(fun_rational, t_span, [1 / 3, 2 / 9], **arguments)
    dense = solve_ivp(fun_rational, t_span, [1 / 3, 2 / 9], dense_output=True, **arguments)
    check_plain(res, t_eval[0])
    assert_equal(res.t, t_eval)
    assert_equal(dense.t, res.t)
    assert_equal(dense.y, res.y)
    assert np.all(compute_error(res.y, sol_rational(res.t), rtol, atol) < 5)


def test_t_eval_early_event():
    def early_event(t, y):
        return t - 7

    early_event.terminal = True
    res = solve_ivp(
        fun_rational, [5, 9], [1 / 3, 2 / 9], rtol=1e-3, atol=1e-6, method=NeuralCollocation,
        t_eval=np.linspace(7.5, 9, 16), events=early_event, jac=jac_rational,
    )  # fmt: skip
    assert res.success
    assert res.message == "A termination event occurred."
    assert res.status == 1
    assert len(res.t) == 0
    assert len(res.y) == 0
    assert len(res.t_events) == 1
    assert res.t_events[0].size == 1
    assert res.t_events[0][0] == 7


def test_no_integration():
    sol = solve_ivp(lambda t, y: -y, [4, 4], [2, 3], method=NeuralCollocation, dense_output=True)
    assert_equal(sol.sol(4), [2, 3])
    assert_equal(sol.sol([4, 5, 6]), [[2, 2, 2], [3, 3, 3]])


def test_no_integration_class():
    solver = NeuralCollocation(lambda t, y: -y, 0.0, [10.0, 0.0], 0.0)
    solver.step()
    assert_equal(solver.status, "finished")
    sol = solver.dense_output()
    assert_equal(sol(0.0), [10.0, 0.0])
    assert_equal(sol([0, 1, 2]), [[10, 10, 10], [0, 0, 0]])

    solver = NeuralCollocation(lambda t, y: -y, 0.0, [], np.inf)
    solver.step()
    assert_equal(solver.status, "finished")
    sol = solver.dense_output()
    assert_equal(sol(100.0), [])
    assert_equal(sol([0, 1, 2]), np.empty((0, 3)))


@pytest.mark.parametrize("end", [10, np.inf])
def test_empty(end):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sol = solve_ivp(
            lambda t, y: np.zeros((0,)), [0, end], np.zeros((0,)), method=NeuralCollocation, dense_output=True
        )
    assert_equal(sol.sol(10), np.zeros((0,)))
    assert_equal(sol.sol([1, 2, 3]), np.zeros((0, 3)))


def test_classes():
    y0 = [1 / 3, 2 / 9]
    solver = NeuralCollocation(fun_rational, 5, y0, np.inf)
    assert_equal(solver.n, 2)
    assert_equal(solver.status, "running")
    assert_equal(solver.t_bound, np.inf)
    assert_equal(solver.direction, 1)
    assert_equal(solver.t, 5)
    assert_equal(solver.y, y0)
    assert solver.step_size is None
    assert solver.nfev > 0
    assert solver.njev >= 0
    assert_equal(solver.nlu, 0)
    with pytest.raises(RuntimeError):
        solver.dense_output()
    message = solver.step()
    assert_equal(solver.status, "running")
    assert_equal(message, None)
    assert_equal(solver.n, 2)
    assert_equal(solver.t_bound, np.inf)
    assert_equal(solver.direction, 1)
    assert solver.t > 5
    assert not np.all(np.equal(solver.y, y0))
    assert solver.step_size > 0
    assert solver.nfev > 0
    assert solver.njev >= 0
    assert solver.nlu >= 0
    assert_allclose(solver.dense_output()(5), y0, rtol=1e-15, atol=0)


def test_args():
    # Two decoupled systems: (x, y) is a linear oscillator, z a logistic equation with the unstable state z = 0.
    def sys3(t, w, omega, k, zfinal):
        x, y, z = w
        return [-omega * y, omega * x, k * z * (1 - z)]

    def sys3_jac(t, w, omega, k, zfinal):
        _x, _y, z = w
        return np.array([[0, -omega, 0], [omega, 0, 0], [0, 0, k * (1 - 2 * z)]])

    def x0decreasing(t, w, omega, k, zfinal):
        return w[0]

    def y0increasing(t, w, omega, k, zfinal):
        return w[1]

    def reached(t, w, omega, k, zfinal):
        return w[2] - zfinal

    x0decreasing.direction = -1
    y0increasing.direction = 1
    reached.terminal = True
    omega, k, tfinal, zfinal = 2, 4, 5, 0.99
    z0 = np.exp(-k * tfinal) / ((1 - zfinal) / zfinal + np.exp(-k * tfinal))
    sol = solve_ivp(
        sys3, [0, 2 * tfinal], [0, -1, z0], events=[x0decreasing, y0increasing, reached], dense_output=True,
        args=(omega, k, zfinal), method=NeuralCollocation, jac=sys3_jac, rtol=1e-10, atol=1e-13,
    )  # fmt: skip
    assert_allclose(sol.t_events[0], [0.5 * np.pi, 1.5 * np.pi])
    assert_allclose(sol.t_events[1], [0.25 * np.pi, 1.25 * np.pi])
    assert_allclose(sol.t_events[2], [tfinal])
    t = np.linspace(0, sol.t_events[2][0], 250)
    w = sol.sol(t)
    assert_allclose(w[0], np.sin(omega * t), rtol=1e-9, atol=1e-12)
    assert_allclose(w[1], -np.cos(omega * t), rtol=1e-9, atol=1e-12)
    assert_allclose(w[2], 1 / (((1 - z0) / z0) * np.exp(-k * t) + 1), rtol=1e-9, atol=1e-12)
    x0events, y0events = sol.sol(sol.t_events[0]), sol.sol(sol.t_events[1])
    assert_allclose(x0events[0], np.zeros_like(x0events[0]), atol=5e-14)
    assert_allclose(x0events[1], np.ones_like(x0events[1]))
    assert_allclose(y0events[0], np.ones_like(y0events[0]))
    assert_allclose(y0events[1], np.zeros_like(y0events[1]), atol=5e-14)
    assert_allclose(sol.sol(sol.t_events[2])[2], [zfinal])


def test_array_rtol():
    def f(t, y):
        return y[0], y[1]

    sol = solve_ivp(f, (0, 1), [1.0, 1.0], rtol=[1e-1, 1e-1], method=NeuralCollocation)
    err1 = np.abs(np.linalg.norm(sol.y[:, -1] - np.exp(1)))
    with pytest.warns(UserWarning, match="At least one element"):
        sol = solve_ivp(f, (0, 1), [1.0, 1.0], rtol=[1e-1, 1e-16], method=NeuralCollocation)
    err2 = np.abs(np.linalg.norm(sol.y[:, -1] - np.exp(1)))
    assert err2 < err1


def test_integration_zero_rhs():
    result = solve_ivp(fun_zero, [0, 10], np.ones(3), method=NeuralCollocation)
    assert result.success
    assert_equal(result.status, 0)
    assert_allclose(result.y, 1.0, rtol=1e-15)


def test_args_single_value():
    def fun_with_arg(t, y, a):
        return a * y

    with pytest.raises(TypeError, match="Supplied 'args' cannot be unpacked"):
        solve_ivp(fun_with_arg, (0, 0.1), [1], args=-1, method=NeuralCollocation)
    sol = solve_ivp(fun_with_arg, (0, 0.1), [1], args=(-1,), method=NeuralCollocation)
    assert_allclose(sol.y[0, -1], np.exp(-0.1))


@pytest.mark.parametrize("f0_fill", [np.nan, np.inf])
def test_initial_state_finiteness(f0_fill):
    with pytest.raises(ValueError, match="All components of the initial state `y0` must be finite"):
        solve_ivp(fun_zero, [0, 10], np.full(3, f0_fill), method=NeuralCollocation)


def test_zero_interval():
    res = solve_ivp(lambda t, y: 2 * y, (0.0, 0.0), np.array([1.0]), method=NeuralCollocation)
    assert res.success
    assert_allclose(res.y[0, -1], 1.0)


def test_tbound_respected_small_interval():
    small = 1e-4

    def f(t, y):
        if t > small:
            raise ValueError("Function was evaluated outside interval")
        return 2 * y

    assert solve_ivp(f, (0.0, small), np.array([1]), method=NeuralCollocation).success


def test_tbound_respected_larger_interval():
    def potential(r):
        return -11 / r + 10 * r / (0.05 + r**2)

    def func(t, p):
        if t < -17 or t > 2:
            raise ValueError("Function was evaluated outside interval")
        r = np.exp(t)
        return np.array([r * p[1], -2.0 * r * ((-0.2 - potential(r)) * p[0] + 1 / r * p[1])])

    result = solve_ivp(
        func, (-17, 2), y0=np.array([1, -11]), max_step=0.03, vectorized=False, t_eval=None, atol=1e-8, rtol=1e-5,
        method=NeuralCollocation,
    )  # fmt: skip
    assert result.success


def test_tbound_respected_oscillator():
    def reactions_func(t, y):
        if t > 205:
            raise ValueError("Called outside interval")
        return np.array([1.73307544e-02, 6.49376470e-06, 0.0, 0.0])

    init_state = np.array([134.08298555, 138.82348612, 100.0, 0.0])
    result = solve_ivp(
        reactions_func, (100.0, 200.0), init_state, dense_output=True, max_step=100.0, method=NeuralCollocation
    )
    assert result.success


def test_f_is_never_called_outside_the_span():
    for t_span, tol in product(([0.0, 3.0], [3.0, 0.0], [1e9, 1e9 + 1e-3]), (1e-3, 1e-6, 1e-10)):
        lo, hi = min(t_span), max(t_span)
        seen = []

        def f(t, y, seen=seen):
            seen.append(t)
            return np.cos(t) * y

        res = solve_ivp(f, t_span, [1.0], rtol=tol, atol=tol, method=NeuralCollocation)
        assert res.success
        assert lo <= min(seen)
        assert max(seen) <= hi


def test_extraneous_arguments_warn():
    with pytest.warns(UserWarning, match="no effect.*`lband`"):
        solve_ivp(lambda t, y: -y, (0, 1), [1.0], method=NeuralCollocation, lband=1)


@pytest.mark.parametrize("name", ["RK45", "LSODA"])
def test_progress_with_methods_of_scipy_warns(name):
    with pytest.warns(UserWarning, match="no effect.*`progress`"):
        res = sm.solve_ivp(lambda t, y: -y, (0, 1), [1.0], method=name, error_control="local", progress=True)
    assert res.success
