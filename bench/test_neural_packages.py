"""Other packages that solve differential equations with networks, where they are installed: time and error.

neurodiffeq and DeepXDE train a network on the residual with Adam; their own documents propose these settings.
"""

import time

import numpy as np
import pytest

import sigmode as sm

pytestmark = pytest.mark.full

# f for arrays of x and y of any package (`lib` has exp, sin, cos), span, y0, exact solution
PROBLEMS = {
    "Lagaris 2": (
        lambda x, y, lib: lib.exp(-x / 5) * lib.cos(x) - y / 5,
        (0.0, 2.0), 0.0, lambda x: np.exp(-x / 5) * np.sin(x),
    ),
    "3y(1-y)": (lambda x, y, lib: 3 * y * (1 - y), (0.0, 3.0), 0.1, lambda x: 1 / (1 + 9 * np.exp(-3 * x))),
    "y cos 4x": (lambda x, y, lib: y * lib.cos(4 * x), (0.0, 6.0), 1.0, lambda x: np.exp(np.sin(4 * x) / 4)),
}  # fmt: skip


@pytest.fixture(params=PROBLEMS)
def problem(request):
    return (request.param, *PROBLEMS[request.param])


def report(benchmark, name, package, seconds, error, ours):
    """One row: theirs is run once, which is long enough."""
    benchmark.group = name
    benchmark.extra_info.update(package=package, seconds=seconds, error=error)
    print(f"\n{name}: {package} {seconds:.1f} s, error {error:.0e}; solve_ivp(rtol=1e-8): error {ours:.0e}")


def run_ours(benchmark, fun, span, y0, exact):
    x = np.linspace(*span, 1001)
    solve = lambda: sm.solve_ivp(lambda t, y: fun(t, y, np), span, [y0], rtol=1e-8, atol=1e-8)
    error = abs(solve().sol(x)[0] - exact(x)).max()
    benchmark.pedantic(solve, rounds=10, warmup_rounds=1)
    return x, error


def test_neurodiffeq(benchmark, problem):
    torch = pytest.importorskip("torch")
    pytest.importorskip("neurodiffeq")
    from neurodiffeq import diff
    from neurodiffeq.conditions import IVP
    from neurodiffeq.solvers import Solver1D

    name, fun, span, y0, exact = problem
    x, ours = run_ours(benchmark, fun, span, y0, exact)
    torch.manual_seed(0)
    start = time.perf_counter()
    solver = Solver1D(
        ode_system=lambda y, t: [diff(y, t) - fun(t, y, torch)], conditions=[IVP(t_0=span[0], u_0=y0)],
        t_min=span[0], t_max=span[1],
    )  # fmt: skip
    solver.fit(max_epochs=3000, tqdm_file=None)
    seconds = time.perf_counter() - start
    y = solver.get_solution(best=True)(x, to_numpy=True)
    report(benchmark, name, "neurodiffeq, 3000 epochs", seconds, abs(y.ravel() - exact(x)).max(), ours)


def test_deepxde(benchmark, problem, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("DDE_BACKEND", "pytorch")
    dde = pytest.importorskip("deepxde")

    name, fun, span, y0, exact = problem
    x, ours = run_ours(benchmark, fun, span, y0, exact)
    dde.config.set_random_seed(0)
    start = time.perf_counter()
    geometry = dde.geometry.TimeDomain(*span)
    condition = dde.icbc.IC(geometry, lambda _: y0, lambda _, initial: initial)
    data = dde.data.PDE(
        geometry, lambda t, y: dde.grad.jacobian(y, t) - fun(t, y, torch), [condition], num_domain=50, num_boundary=1
    )
    model = dde.Model(data, dde.nn.FNN([1, 32, 32, 1], "tanh", "Glorot uniform"))
    model.compile("adam", lr=1e-3)
    model.train(iterations=3000, verbose=0)
    model.compile("L-BFGS")
    model.train(verbose=0)
    seconds = time.perf_counter() - start
    y = model.predict(x[:, None])
    report(benchmark, name, "DeepXDE, Adam and L-BFGS", seconds, abs(y.ravel() - exact(x)).max(), ours)
