"""`solve_ensemble`: each member as `solve_ivp` alone, whoever does the work, and whatever happens to the others."""

import concurrent.futures
import math
import os
import signal
import subprocess
import sys
import threading

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import sigmode as sm


def decay(t, y, rate):
    return -rate * y


def riccati(t, y, a):
    return y**2 - a


def lotka_volterra(t, y, a, b):
    return [a * y[0] - y[0] * y[1], -b * y[1] + y[0] * y[1]]


compiled_riccati = numba.njit(lambda t, y, a: (y[0] ** 2 - a,))
compiled_lotka_volterra = numba.njit(lambda t, y, a, b: (a * y[0] - y[0] * y[1], -b * y[1] + y[0] * y[1]))
compiled_robertson = numba.njit(
    lambda t, y, k: (
        -k[0] * y[0] + k[1] * y[1] * y[2],
        k[0] * y[0] - k[1] * y[1] * y[2] - k[2] * y[1] ** 2,
        k[2] * y[1] ** 2,
    )
)
T = np.linspace(0.0, 3.0, 7)


def same_as_alone(res, i, fun, span, y0, t_eval, args, **options):
    """Member i has the bits, the message and the counts of a solve by itself."""
    alone = sm.solve_ivp(fun, span, y0, t_eval=t_eval, args=args, **options)
    reached = alone.t.size
    assert_array_equal(res.y[i][:, :reached], alone.y)
    assert np.isnan(res.y[i][:, reached:]).all()
    assert np.isnan(res.error[i][:, reached:]).all()
    assert_allclose(res.error[i][:, :reached], alone.error, rtol=1e-12)
    assert (res.success[i], res.status[i], res.message[i]) == (alone.success, alone.status, alone.message)
    assert abs(res.nfev[i] - alone.nfev) <= 1  # a look at fast growth


class TestMembers:
    @pytest.mark.parametrize("fun", [compiled_riccati, riccati], ids=["compiled", "plain"])
    def test_a_thousand_with_blow_ups_among_them(self, fun):
        N = 1000 if fun is compiled_riccati else 40
        a = np.linspace(-1.0, 2.0, N)
        res = sm.solve_ensemble(fun, (0, 3), [0.5], args=(a,), t_eval=T, rtol=1e-6)
        exact = np.array(
            [sm.solve_ivp(riccati, (0, 3), [0.5], args=(x,), rtol=1e-9, atol=1e-9).success for x in a[::50]]
        )
        assert_array_equal(res.success[::50], exact)
        assert_array_equal(res.success[a > 0.26], True)
        assert 0 < len(res.failed) < N
        assert_array_equal(res.failed, np.flatnonzero(~res.success))
        for i in (0, N // 5, N // 2, N - 1, *res.failed[-2:]):
            same_as_alone(res, i, fun, (0, 3), [0.5], T, (a[i],), rtol=1e-6)
        bad = res.failed[0]
        assert res.message[bad] == "Required step size is less than spacing between numbers."
        assert np.isfinite(res.y[bad][0, 0])
        assert np.isnan(res.y[bad][0, -1])

    @pytest.mark.parametrize("error_control", ["global", "local"])
    @pytest.mark.parametrize("rtol", [1e-3, 1e-8])
    def test_the_bits_are_those_of_a_solve_alone(self, rtol, error_control):
        rng = np.random.default_rng(0)
        a, b, y0 = rng.uniform(1, 2, 20), rng.uniform(2, 4, 20), rng.uniform(1, 10, (20, 2))
        t = np.linspace(0, 15, 31)
        options = {"rtol": rtol, "atol": 1e-3 * rtol, "error_control": error_control}
        res = sm.solve_ensemble(compiled_lotka_volterra, (0, 15), y0, args=(a, b), t_eval=t, **options)
        assert res.success.all()
        for i in range(0, 20, 3):
            same_as_alone(res, i, compiled_lotka_volterra, (0, 15), y0[i], t, (a[i], b[i]), **options)

    def test_stiff_members_with_vectors_as_arguments(self):
        k = np.array([0.04, 1e4, 3e7]) * np.random.default_rng(1).uniform(0.5, 2.0, (12, 3))
        t = [0.4, 40.0, 4000.0]
        res = sm.solve_ensemble(compiled_robertson, (0, 4000), [1.0, 0, 0], args=(k,), t_eval=t, rtol=1e-6, atol=1e-10)
        assert res.success.all()
        assert_allclose(res.y.sum(axis=1), 1.0, atol=1e-7)
        for i in (0, 5, 11):
            same_as_alone(res, i, compiled_robertson, (0, 4000), [1.0, 0, 0], t, (k[i],), rtol=1e-6, atol=1e-10)

    def test_odd_members_are_solved_by_python(self):
        fun = numba.njit(lambda t, y, where: (abs(t - where) - 0.1 * y[0],))
        where = np.array([-1.0, 0.7, 1.9, 5.0])
        res = sm.solve_ensemble(fun, (0, 3), [1.0], args=(where,), t_eval=T, rtol=1e-7, atol=1e-9)
        assert res.success.all()
        for i in range(4):
            same_as_alone(res, i, fun, (0, 3), [1.0], T, (where[i],), rtol=1e-7, atol=1e-9)

    @pytest.mark.parametrize("fun", [compiled_riccati, riccati], ids=["compiled", "plain"])
    def test_a_member_that_is_not_a_number(self, fun):
        res = sm.solve_ensemble(fun, (0, 1), [0.5], args=(np.array([1.0, np.nan, 2.0]),))
        assert_array_equal(res.success, [True, False, True])
        assert "not finite" in res.message[1]
        assert_array_equal(np.isnan(res.y[:, 0, 0]), [False, True, False])

    def test_exceptions_of_one_member_and_of_all(self):
        def root(t, y, a):
            return [math.sqrt(a) - y[0]]

        res = sm.solve_ensemble(root, (0, 1), [0.0], args=(np.array([1.0, -1.0]),))
        assert_array_equal(res.success, [True, False])
        assert res.message[1].startswith("`fun` raised ValueError")
        with pytest.raises(ValueError, match=r"math domain|expected a nonneg"):
            sm.solve_ensemble(root, (0, 1), [0.0], args=(np.array([-2.0, -1.0]),))

    @pytest.mark.parametrize("options", [{"max_step": 0.1}, {"first_step": 0.05}, {"max_windows": 2}, {"atol": 0.0}])
    def test_options(self, options):
        a = np.array([1.0, 2.0])
        res = sm.solve_ensemble(compiled_riccati, (0, 3), [0.5], args=(a,), t_eval=T, rtol=1e-6, **options)
        for i in range(2):
            same_as_alone(res, i, compiled_riccati, (0, 3), [0.5], T, (a[i],), rtol=1e-6, **options)

    def test_complex_members_and_a_jacobian(self):
        res = sm.solve_ensemble(
            lambda t, y, w: 1j * w * y, (0, 2), [1.0 + 0j], args=(np.array([1.0, 2.0]),),
            jac=lambda t, y, w: [[1j * w]], rtol=1e-8, atol=1e-8,
        )  # fmt: skip
        assert_allclose(res.y[:, 0, 0], np.exp(2j * np.array([1.0, 2.0])), atol=1e-7)


class TestShapes:
    def test_what_varies(self):
        rates = np.array([0.5, 1.0, 2.0])
        res = sm.solve_ensemble(decay, (0, 1), [1.0, 2.0], args=(rates,), t_eval=[0.0, 0.5, 1.0], rtol=1e-8, atol=1e-10)
        assert res.t.shape == (3,)
        assert res.y.shape == res.error.shape == (3, 2, 3)
        assert res.success.shape == res.status.shape == res.nfev.shape == (3,)
        assert len(res.message) == 3
        assert_allclose(res.y[:, 1, -1], 2.0 * np.exp(-rates), atol=1e-8)
        y0 = np.array([[1.0], [2.0]])
        assert_allclose(sm.solve_ensemble(decay, (0, 1), y0, args=(1.0,)).y[:, 0, 0], y0[:, 0] / np.e, rtol=1e-3)
        both = sm.solve_ensemble(decay, (0, 1), y0, args=(np.array([1.0, 2.0]),))
        assert_allclose(both.y[:, 0, 0], [np.exp(-1), 2 * np.exp(-2)], rtol=1e-3)
        spans = sm.solve_ensemble(decay, [[0, 1], [0, 2], [1, 0]], [1.0], args=(1.0,), rtol=1e-8, atol=1e-8)
        assert spans.t.shape == (3, 1)
        assert_allclose(spans.y[:, 0, 0], np.exp([-1, -2, 1]), rtol=1e-7)
        own = sm.solve_ensemble(decay, (0, 1), [1.0], args=([1.0, 2.0],), t_eval=[[0.1, 0.2], [0.3, 1.0]], rtol=1e-8)
        assert_allclose(own.y[:, 0], np.exp([[-0.1, -0.2], [-0.6, -2.0]]), rtol=1e-6)

    def test_none_and_one(self):
        none = sm.solve_ensemble(decay, (0, 1), np.empty((0, 2)), args=(1.0,), t_eval=[0.5, 1.0])
        assert none.y.shape == (0, 2, 2)
        assert none.failed.size == none.success.size == 0
        assert sm.solve_ensemble(compiled_riccati, (0, 1), [0.5], args=(np.empty(0),)).y.shape == (0, 1, 1)
        one = sm.solve_ensemble(decay, (0, 1), [1.0], args=(1.0,))
        assert one.y.shape == (1, 1, 1)

    def test_shared_arrays_have_an_axis_of_length_one(self):
        seen = []

        def fun(t, y, table, rate):
            seen.append((np.shape(table), np.ndim(rate)))
            return -rate * y

        sm.solve_ensemble(fun, (0, 1), [1.0], args=(np.ones((1, 5)), np.array([1.0, 2.0])))
        assert set(seen) == {((5,), 0)}

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"args": (np.ones(3), np.ones(4))}, r"`args\[0\]` has 3, `args\[1\]` has 4"),
            ({"y0": np.ones((5, 1)), "args": (np.ones(4),)}, "`y0` has 5"),
            ({"t_span": [[0, 1], [0, 2]], "args": (np.ones(3),)}, "`t_span` has 2"),
            ({"y0": np.ones((2, 2, 2))}, r"shape \(n,\) or \(N, n\)"),
            ({"y0": [np.nan]}, "finite"),
            ({"t_span": (0, np.inf)}, "finite"),
            ({"t_span": (0, 1, 2)}, "two numbers"),
            ({"t_eval": [0.5, 2.0]}, "not within `t_span`, got 2.0 outside"),
            ({"t_eval": [0.5, 0.2]}, "not properly sorted, got 0.2 after 0.5"),
            ({"t_eval": [[0.1], [0.2], [0.3]], "args": (np.ones(2),)}, "`t_eval` has 3"),
            ({"rtol": -1.0}, "`rtol`"),
            ({"error_control": "none"}, "error_control"),
            ({"workers": 0}, "`workers`"),
            ({"workers": -2}, "`workers`"),
            ({"max_step": 0.0}, "`max_step`"),
        ],
    )
    def test_what_does_not_fit(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            sm.solve_ensemble(decay, **{"t_span": (0, 1), "y0": [1.0], "args": (1.0,), **arguments})

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"fun": None}, "`fun`"),
            ({"args": 1.0}, "`args` must be a tuple"),
            ({"workers": "all"}, "`workers` must be an integer"),
            ({"workers": 1.5}, "`workers` must be an integer"),
            ({"callback": 3}, "`callback`"),
            ({"output": 3}, "`output`"),
            ({"events": lambda t, y: y[0]}, "no argument 'events'"),
        ],
    )
    def test_what_is_of_the_wrong_kind(self, arguments, message):
        with pytest.raises(TypeError, match=message):
            sm.solve_ensemble(**{"fun": decay, "t_span": (0, 1), "y0": [1.0], "args": (1.0,), **arguments})


class TestResults:
    def test_output_keeps_less(self):
        rates = np.array([1.0, 2.0, 3.0])
        res = sm.solve_ensemble(
            decay, (0, 1), [1.0], args=(rates,), t_eval=[0.5, 1.0], output=lambda t, y: [t[-1], y[0, -1]], rtol=1e-8
        )
        assert res.y is res.error is None
        assert_allclose(res.output, np.column_stack([np.ones(3), np.exp(-rates)]), rtol=1e-6)

    def test_solutions(self):
        res = sm.solve_ensemble(compiled_riccati, (0, 1), [0.5], args=(np.array([1.0, 2.0]),), dense_output=True)
        assert len(res.sol) == 2
        assert_allclose(res.sol[1](1.0), res.y[1, :, -1], rtol=1e-12)

    def test_a_picture(self):
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("Agg")
        res = sm.solve_ensemble(decay, (0, 1), [1.0, 2.0], args=(np.array([1.0, 2.0]),), t_eval=[0, 0.5, 1.0])
        axes = res.plot()
        assert len(axes.lines) == 2
        assert len(axes.collections) == 4
        matplotlib.pyplot.close("all")

    def test_xarray(self):
        pytest.importorskip("xarray")
        res = sm.solve_ensemble(decay, (0, 1), [1.0, 2.0], args=(np.array([1.0, 2.0, 3.0]),), t_eval=[0, 0.5, 1.0])
        data = res.to_xarray()
        assert dict(data.sizes) == {"member": 3, "component": 2, "t": 3}
        assert_array_equal(data.y.sel(member=1, component=0), res.y[1, 0])

    def test_callback_and_progress(self, capsys):
        pytest.importorskip("tqdm")
        seen = []
        sm.solve_ensemble(
            decay, (0, 1), [1.0], args=(np.ones(7),), callback=lambda done, N: seen.append((done, N)), progress=True
        )
        assert seen[-1] == (7, 7)
        assert seen == sorted(seen)
        assert "7.00/7.00" in capsys.readouterr().err

    def test_a_callback_may_stop(self):
        def stop(done, N):
            if done >= 2:
                raise StopIteration

        res = sm.solve_ensemble(decay, (0, 1), [1.0], args=(np.ones(50),), callback=stop)
        assert res.success[:2].all()
        assert not res.success.all()
        assert res.message[-1] == "`callback` stopped the integration."
        assert np.isnan(res.y[-1]).all()

    @pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="no signals")
    @pytest.mark.parametrize("workers", [1, 2])
    def test_ctrl_c(self, workers):
        N = 200_000
        a = np.linspace(1.0, 2.0, N)
        sm.solve_ensemble(compiled_riccati, (0, 3), [0.5], args=(a[:10],))  # compiled by now
        seen = []
        stopped = threading.Event()

        def press():  # again if nothing comes of it: Python loses what is raised while it removes a weak reference
            while not stopped.wait(0.3):
                os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=press, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            sm.solve_ensemble(
                compiled_riccati, (0, 3), [0.5], args=(a,), workers=workers, t_eval=T, rtol=1e-8,
                callback=lambda done, N: seen.append(done),
            )  # fmt: skip
        stopped.set()
        assert seen[-1] < N


class TestWorkers:
    rates = np.linspace(0.5, 2.0, 11)

    def expected(self):
        return sm.solve_ensemble(decay, (0, 1), [1.0], args=(self.rates,), rtol=1e-8)

    @pytest.mark.parametrize("workers", [2, -1])
    def test_threads_give_the_same_bits(self, workers):
        a = np.linspace(-1.0, 2.0, 64)
        one, more = (
            sm.solve_ensemble(compiled_riccati, (0, 3), [0.5], args=(a,), t_eval=T, rtol=1e-6, workers=w)
            for w in (1, workers)
        )
        assert_array_equal(one.y, more.y)
        assert_array_equal(one.error, more.error)
        assert one.message == more.message

    @pytest.mark.parametrize("workers", [map, lambda f, it: [f(x) for x in it]])
    def test_map_like(self, workers):
        res = sm.solve_ensemble(decay, (0, 1), [1.0], args=(self.rates,), rtol=1e-8, workers=workers)
        assert_array_equal(res.y, self.expected().y)

    def test_threads_of_an_executor_and_futures(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for workers in (pool, pool.map, lambda f, it: [pool.submit(f, x) for x in it]):
                res = sm.solve_ensemble(decay, (0, 1), [1.0], args=(self.rates,), rtol=1e-8, workers=workers)
                assert_array_equal(res.y, self.expected().y)

    def test_processes(self, tmp_path):
        script = tmp_path / "script.py"
        script.write_text(
            "import numpy as np, sigmode as sm\n"
            "def decay(t, y, rate):\n    return -rate * y\n"
            'if __name__ == "__main__":\n'
            "    rates = np.linspace(0.5, 2.0, 11)\n"
            "    one, two = (sm.solve_ensemble(decay, (0, 1), [1.0], args=(rates,), workers=w) for w in (1, 2))\n"
            "    print(np.array_equal(one.y, two.y), two.success.all())\n"
        )
        assert run(script) == "True True"

    def test_what_cannot_be_pickled(self):
        with pytest.raises(TypeError, match="cannot be sent to another process"):
            sm.solve_ensemble(lambda t, y, rate: -rate * y, (0, 1), [1.0], args=(self.rates,), workers=2)

    def test_not_map_like(self):
        with pytest.raises(TypeError, match=r"form f\(function, iterable\)"):
            sm.solve_ensemble(decay, (0, 1), [1.0], args=(self.rates,), workers=lambda: None)

    def test_joblib(self):
        joblib = pytest.importorskip("joblib")
        workers = lambda f, it: joblib.Parallel(2, backend="threading")(joblib.delayed(f)(x) for x in it)
        res = sm.solve_ensemble(decay, (0, 1), [1.0], args=(self.rates,), rtol=1e-8, workers=workers)
        assert_array_equal(res.y, self.expected().y)


def run(script):
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


DASK = """
import os, pathlib, sys
import numba, numpy as np
import sigmode as sm
from distributed import Client, LocalCluster

flag = pathlib.Path(sys.argv[0]).with_suffix(".killed")

def main():
    def dying(t, y, rate, path):
        if rate > 1.5 and not os.path.exists(path):
            open(path, "w").close()
            os._exit(1)
        return -rate * y

    rates = np.linspace(0.5, 2.0, 40)
    compiled = numba.njit(lambda t, y, rate: (-rate * y[0],))
    alone = sm.solve_ensemble(lambda t, y, rate: -rate * y, (0, 1), [1.0], args=(rates,), rtol=1e-8)
    machine = sm.solve_ensemble(compiled, (0, 1), [1.0], args=(rates,), rtol=1e-8)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        for workers in (client, client.get_executor(), client.get_executor().map):
            fun = lambda t, y, rate: -rate * y
            res = sm.solve_ensemble(fun, (0, 1), [1.0], args=(rates,), rtol=1e-8, workers=workers)
            print(np.array_equal(res.y, alone.y), end=" ")
        res = sm.solve_ensemble(compiled, (0, 1), [1.0], args=(rates,), rtol=1e-8, workers=client)
        print(np.array_equal(res.y, machine.y), end=" ")
        res = sm.solve_ensemble(dying, (0, 1), [1.0], args=(rates, str(flag)), rtol=1e-8, workers=client)
        alone = sm.solve_ensemble(dying, (0, 1), [1.0], args=(rates, str(flag)), rtol=1e-8)
        print(np.array_equal(res.y, alone.y), res.success.all(), flag.exists())

if __name__ == "__main__":
    main()
"""


def test_dask_and_a_worker_that_is_killed(tmp_path):
    pytest.importorskip("distributed")
    script = tmp_path / "script.py"
    script.write_text(DASK)
    assert run(script) == "True True True True True True True"


@pytest.mark.parametrize("workers", [1, map])
def test_sensitivities_of_members(workers):
    rates, y0 = np.array([0.5, 1.0, 2.0]), np.array([[1.0], [2.0], [3.0]])
    t = np.array([0.5, 1.0])
    res = sm.solve_ensemble(
        decay, (0, 1), y0, args=(rates,), t_eval=t, sensitivity=True, rtol=1e-9, atol=1e-12, workers=workers
    )
    assert res.dy_dy0.shape == res.dy_dp.shape == res.error_dy_dp.shape == (3, 1, 1, 2)
    exact = np.exp(-rates[:, None] * t)
    assert_allclose(res.dy_dy0[:, 0, 0], exact, rtol=1e-8)
    assert_allclose(res.dy_dp[:, 0, 0], -y0 * t * exact, rtol=1e-7)
    alone = sm.sensitivity(decay, (0, 1), y0[1], args=(1.0,), t_eval=t, rtol=1e-9, atol=1e-12)
    assert_array_equal(res.dy_dp[1], alone.dy_dp)


def test_derivatives_of_no_members():
    none = sm.solve_ensemble(decay, (0, 1), np.empty((0, 2)), args=(1.0,), t_eval=[0.5, 1.0], sensitivity=True)
    assert none.dy_dy0.shape == (0, 2, 2, 2)
    assert none.dy_dp.shape == (0, 2, 1, 2)


def test_outputs_of_different_shapes_and_a_map_that_forgets():
    rates = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match="`output` must return numbers of one shape"):
        sm.solve_ensemble(decay, (0, 1), [1.0], args=(rates,), output=lambda t, y: None)
    with pytest.raises(TypeError, match="one result for each of the 2 chunks"):
        sm.solve_ensemble(decay, (0, 1), [1.0], args=(rates,), workers=lambda f, it: [])


def test_what_is_shown():
    """How many, and why some failed, not a thousand messages."""
    res = sm.solve_ensemble(lambda t, y, k: k * y**2, (0, 1), [1.0], args=(np.linspace(0.1, 2.0, 20),), t_eval=[0.5])
    first, *reasons, last = repr(res).splitlines()
    assert first.startswith(f"EnsembleResult: {20 - res.failed.size} of 20 members with success; t (1,), y (20, 1, 1)")
    assert reasons == [f"  {res.failed.size} members: Required step size is less than spacing between numbers."]
    assert last.startswith("  Fields: ")
    assert all(name in last for name in res)
    one = sm.solve_ensemble(lambda t, y: -y, (0, 1), [[1.0]], output=lambda t, y: y[0, -1])
    assert repr(one).splitlines()[0].startswith("EnsembleResult: 1 of 1 member with success; t")
