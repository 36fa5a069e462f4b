"""`fit_ivp` against certified values, closed forms, simulation, and itself from far starts."""

import math

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import curve_fit

import sigmode as sm
from sigmode.problems import HUDSON_BAY

MISRA = (
    [77.6, 114.9, 141.1, 190.8, 239.9, 289, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760],
    [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78],
)
BOX = [1, 2, 3, 5, 7, 10], [109, 149, 149, 191, 213, 224]
RAT = [9, 14, 21, 28, 42, 57, 63, 70, 79], [8.93, 10.80, 18.59, 22.33, 39.35, 56.11, 61.73, 64.62, 67.08]
HARE, LYNX = HUDSON_BAY[1]
FOCUS = {
    "P": "0 99.46 102.04 1 93.5 92.5 3 63.23 68.99 7 52.32 55.13 14 27.27 26.64 21 11.5 11.64 35 2.85 2.91 "
    "50 .69 .63 75 .05 .06",
    "M": "1 4.84 5.64 3 12.91 12.96 7 22.97 24.47 14 41.69 33.21 21 44.37 46.44 35 41.22 37.95 50 41.19 40.01 "
    "75 40.09 33.85 100 31.04 33.13 120 25.15 33.31",
}


def saturating(t, y, b1, b2):
    return b2 * (b1 - y)


def predator(t, y, a, b, c, d):
    return [a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]]


compiled_predator = numba.njit(lambda t, y, a, b, c, d: (a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]))
compiled_fitzhugh = numba.njit(lambda t, y, a, b, c: (c * (y[0] - y[0] ** 3 / 3 + y[1]), -(y[0] - a + b * y[1]) / c))
compiled_lorenz = numba.njit(
    lambda t, y, s, r, b: (s * (y[1] - y[0]), y[0] * (r - y[2]) - y[1], y[0] * y[1] - b * y[2])
)


class TestNIST:
    @pytest.mark.parametrize("p0", [(500, 1e-4), (250, 5e-4)])
    def test_misra1a(self, p0):
        res = sm.fit_ivp(saturating, *MISRA, p0, [0.0], t0=0.0)
        assert res.success
        assert_allclose(res.x, [238.94212918, 5.5015643181e-4], rtol=1e-6)
        assert_allclose(res.stderr, [2.7070075241, 7.2668688436e-6], rtol=1e-4)
        assert_allclose(res.ssr, 0.12455138894, rtol=1e-8)
        assert res.undetermined == []
        assert (res.bias <= 1e-3 * res.stderr).all()

    @pytest.mark.parametrize("p0", [(1, 1), (100, 0.75)])
    def test_box_bod(self, p0):
        res = sm.fit_ivp(saturating, *BOX, p0, [0.0], t0=0.0)
        assert res.success
        assert_allclose(res.x, [213.80940889, 0.54723748542], rtol=1e-6)
        assert_allclose(res.stderr, [12.354515176, 0.10455993237], rtol=1e-4)

    @pytest.mark.parametrize("p0", [(100, 1, 0.1), (75, 2.5, 0.07)])
    def test_rat42(self, p0):
        y0 = lambda b1, b2, b3: [b1 / (1 + np.exp(b2))]
        res = sm.fit_ivp(lambda t, y, b1, b2, b3: b3 * y * (1 - y / b1), *RAT, p0, y0, t0=0.0)
        assert res.success
        assert_allclose(res.x, [72.462237576, 2.6180768402, 0.067359200066], rtol=1e-6)
        assert_allclose(res.stderr, [1.7340283401, 0.088295217536, 0.0034465663377], rtol=1e-4)
        assert_allclose(res.ssr, 8.0565229338, rtol=1e-8)


def test_focus_d_with_replicates_and_an_unknown_initial_value():
    rows = []
    for row, text in enumerate(FOCUS.values()):
        values = np.array(text.split(), dtype=float).reshape(-1, 3)
        rows += [(t, row, y) for t, *pair in values for y in pair]
    t = np.array([t for t, _, _ in rows])
    y = np.full((2, t.size), np.nan)
    for i, (_, row, value) in enumerate(rows):
        y[row, i] = value
    fun = lambda t, y, k, m, f: [-k * y[0], f * k * y[0] - m * y[1]]
    res = sm.fit_ivp(fun, t, y, {"k": 0.1, "m": 0.01, "f": 0.5}, [np.nan, 0.0], t0=0.0, scale={"k": "log", "m": "log"})
    assert res.success
    assert_allclose([res.params[name] for name in ("k", "m", "f")], [0.0987, 0.0053, 0.5145], rtol=1e-2)
    assert_allclose(res.y0, [99.60, 0.0], atol=0.01)
    assert res.names == ["k", "m", "f", "y0[0]"]
    half_life = res.confint(of=lambda p: np.log(2) / p["k"])
    assert half_life[0] < 7.02 < half_life[1]


def simulated(fun, span, y0, args, count, noise, seed=1):
    t = np.linspace(*span, count)
    y = sm.solve_ivp(fun, span, y0, args=args, t_eval=t, rtol=1e-9, atol=1e-9).y
    return t, y + noise * np.random.default_rng(seed).standard_normal(y.shape)


FAR = {
    "hare-lynx": (compiled_predator, np.arange(21.0), np.array([HARE, LYNX]), (0.5, 0.03, 0.8, 0.025)),
    "FitzHugh-Nagumo": (
        compiled_fitzhugh, *simulated(compiled_fitzhugh, (0, 20), [-1.0, 1.0], (0.2, 0.2, 3.0), 41, 0.05),
        (0.2, 0.2, 3.0),
    ),
    "Lorenz": (
        compiled_lorenz, *simulated(compiled_lorenz, (0, 8), [1.0] * 3, (10.0, 28.0, 8 / 3), 81, 0.5),
        (10.0, 28.0, 8 / 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAR)
def test_from_far_starts(name):
    fun, t, y, near = FAR[name]
    unknown = np.full(len(y), np.nan)
    best = sm.fit_ivp(fun, t, y, near, unknown)
    assert best.success
    reached = 0
    for seed in range(6):
        p0 = np.array(near) * np.exp(np.random.default_rng(seed).uniform(-1, 1, len(near)) * np.log(5))
        reached += sm.fit_ivp(fun, t, y, p0, unknown).ssr <= best.ssr * (1 + 1e-6)
    assert reached == 6


def test_workers_find_the_same():
    t, y = np.arange(21.0), np.array([HARE, LYNX])
    runs = [
        sm.fit_ivp(compiled_predator, t, y, (0.5, 0.03, 0.8, 0.025), [np.nan] * 2, starts=4, workers=workers)
        for workers in (1, 2, map, lambda f, it: [f(x) for x in it])
    ]
    for res in runs:
        assert res.success
        assert_allclose(res.x, runs[0].x, rtol=1e-10)
        assert res.nfev == runs[0].nfev
    with pytest.raises(TypeError, match="cannot be sent to another process"):
        sm.fit_ivp(lambda t, y, k: -k * y, [1.0, 2.0], [1.0, 0.5], [1.0], [2.0], t0=0.0, starts=2, workers=2)
    seen = []
    stop = lambda intermediate_result: seen.append(intermediate_result.phase)
    sm.fit_ivp(compiled_predator, t, y, (0.5, 0.03, 0.8, 0.025), [np.nan] * 2, starts=2, workers=2, callback=stop)
    assert seen[:2] == ["start", "start"]


def test_a_progress_bar(capsys):
    pytest.importorskip("tqdm")
    sm.fit_ivp(saturating, *BOX, [100, 0.75], [0.0], t0=0.0, progress=True)
    assert "shooting, cost" in capsys.readouterr().err


def test_plain_f_and_every_method_agree():
    t, y = np.arange(21.0), np.array([HARE, LYNX])
    p0 = (0.5, 0.03, 0.8, 0.025)
    one, two, three = (
        sm.fit_ivp(fun, t, y, p0, [30.0, 4.0], method=method)
        for fun, method in ((predator, "auto"), (compiled_predator, "shooting"), (compiled_predator, "collocation"))
    )
    assert one.success
    assert two.success
    assert three.success
    assert_allclose(two.x, one.x, rtol=1e-6)
    assert_allclose(three.x, one.x, rtol=1e-6)


def test_statistics_are_those_of_curve_fit():
    rng = np.random.default_rng(0)
    t = np.linspace(0.5, 8, 12)
    sigma = 0.05 + 0.1 * rng.uniform(size=12)
    y = 2.0 * np.exp(-0.7 * t) + sigma * rng.standard_normal(12)
    model = lambda t, k, a: a * np.exp(-k * t)
    for absolute in (False, True):
        popt, pcov = curve_fit(model, t, y, (1.0, 1.0), sigma=sigma, absolute_sigma=absolute, xtol=1e-12, ftol=1e-12)
        res = sm.fit_ivp(lambda t, y, k: -k * y, t, y, [1.0], [np.nan], t0=0.0, sigma=sigma, absolute_sigma=absolute)
        assert_allclose(res.x, popt, rtol=1e-6)
        assert_allclose(res.cov, pcov, rtol=1e-4)
        assert_allclose(res.corr, pcov / np.sqrt(np.outer(np.diag(pcov), np.diag(pcov))), rtol=1e-4)
        assert res.dof == 10


def test_coverage_by_simulation():
    t, inside = np.linspace(0.3, 4, 10), np.zeros(2)
    fun = numba.njit(lambda t, y, k: (-k * y[0],))
    for seed in range(150):
        y = 3.0 * np.exp(-0.8 * t) + 0.1 * np.random.default_rng(seed).standard_normal(t.size)
        res = sm.fit_ivp(fun, t, y, [0.8], [np.nan], t0=0.0)
        low, high = res.confint().T
        inside += (low <= [0.8, 3.0]) & (high >= [0.8, 3.0])
    assert ((inside / 150 > 0.90) & (inside / 150 < 0.99)).all()


def test_profile_intervals():
    res = sm.fit_ivp(saturating, *BOX, [100, 0.75], [0.0], t0=0.0)
    profile = res.confint(method="profile")
    s2 = res.ssr / res.dof
    x, y = np.array(BOX[0], dtype=float), np.array(BOX[1], dtype=float)
    for low_or_high in profile[1]:  # b1 is linear, so that the profile of b2 has a closed form
        shape = 1 - np.exp(-low_or_high * x)
        rest = y - shape * (shape @ y) / (shape @ shape)
        assert_allclose(np.sqrt((rest @ rest - res.ssr) / s2), res._quantile(0.95), rtol=1e-3)
    assert profile[1, 1] - res.x[1] > res.x[1] - profile[1, 0]


class TestModels:
    t = np.linspace(0.0, 5.0, 11)

    def test_observables_bounds_fixed_ones_and_partial_data(self):
        fun = lambda t, y, k, m: [-k * y[0], k * y[0] - m * y[1]]
        exact = sm.solve_ivp(fun, (0, 5), [2.0, 0.0], args=(0.9, 0.3), t_eval=self.t, rtol=1e-10, atol=1e-12).y
        total = sm.fit_ivp(
            fun, self.t, 3.0 * exact.sum(axis=0), {"k": 0.5, "m": 0.5}, [2.0, 0.0],
            observe=lambda t, y, k, m: 3 * (y[0] + y[1]),
        )  # fmt: skip
        assert_allclose(np.sort(total.x), [0.3, 0.9], rtol=1e-6)  # the two rates may change places
        second = sm.fit_ivp(fun, self.t, exact[1], [0.5, 0.5], [2.0, 0.0], observe=[1])
        assert_allclose(np.sort(second.x), [0.3, 0.9], rtol=1e-5)
        holes = exact.copy()
        holes[0, ::2] = holes[1, 1::3] = np.nan
        assert_allclose(sm.fit_ivp(fun, self.t, holes, [0.5, 0.5], [np.nan, 0.0]).x, [0.9, 0.3, 2.0], rtol=1e-6)
        fixed = sm.fit_ivp(fun, self.t, exact, [0.9, 0.5], [2.0, 0.0], bounds={"k": (0.9, 0.9)})
        assert_allclose(fixed.x, [0.9, 0.3], rtol=1e-6)
        assert fixed.stderr[0] == 0.0
        low = sm.fit_ivp(fun, self.t, exact, [0.5, 0.2], [2.0, 0.0], bounds=([0.0, 0.0], [0.7, 1.0]))
        assert_allclose(low.x[0], 0.7, rtol=1e-6)
        assert np.isnan(low.stderr[0])
        assert "At a bound: k" in low.message

    def test_several_experiments(self):
        fun = lambda t, y, k: -k * y
        times = [np.linspace(0, 2, 5), np.linspace(0, 4, 9)]
        data = [y0 * np.exp(-0.6 * t) for y0, t in zip((1.0, 5.0), times, strict=True)]
        res = sm.fit_ivp(fun, times, data, [1.0], [[np.nan], [np.nan]])
        assert_allclose(res.x, [0.6, 1.0, 5.0], rtol=1e-6)
        assert res.names == ["k", "y0[0][0]", "y0[1][0]"]
        assert len(res.sol) == len(res.y0) == 2
        assert_allclose(res.predict([4.0], experiment=1)[0], 5.0 * np.exp(-2.4), rtol=1e-6)

    @pytest.mark.parametrize("compiled", [False, True])
    def test_local_parameters(self, compiled):
        """One rate for each experiment, one feed for all: the covariance is that of `curve_fit` on the closed form."""
        t, rng = np.linspace(0, 4, 9), np.random.default_rng(0)
        closed = lambda k, c, y0: (y0 - c / k) * np.exp(-k * t) + c / k
        data = [closed(*each) + 0.01 * rng.standard_normal(9) for each in ((0.5, 0.3, 2.0), (0.9, 0.3, 1.0))]
        fun = lambda t, y, k, c: (-k * y[0] + c,)
        popt, pcov = curve_fit(
            lambda _, k0, k1, c, a, b: np.concatenate([closed(k0, c, a), closed(k1, c, b)]), None, np.concatenate(data),
            (1.0, 1.0, 0.1, 1.0, 1.0), xtol=1e-13, ftol=1e-13,
        )  # fmt: skip
        res = sm.fit_ivp(
            numba.njit(fun) if compiled else fun, [t, t], data, {"k": [1.0, 0.8], "c": 0.1}, [[np.nan]] * 2, local=["k"]
        )
        assert res.success
        assert res.names == ["k[0]", "k[1]", "c", "y0[0][0]", "y0[1][0]"]
        assert_allclose(res.x, popt, rtol=1e-5)
        assert_allclose(res.cov, pcov, rtol=1e-3)
        assert_allclose(res.params["k"], popt[:2], rtol=1e-5)
        assert type(res.params["c"]) is float
        of = lambda p: p["k"][1] / p["k"][0] * p["y0"][1][0]
        low, high = res.confint(of=of)
        value = popt[1] / popt[0] * popt[4]
        gradient = value * np.array([-1 / popt[0], 1 / popt[1], 0.0, 0.0, 1 / popt[4]])
        assert_allclose(high - low, 2 * res._quantile(0.95) * np.sqrt(gradient @ pcov @ gradient), rtol=1e-3)
        assert_allclose(0.5 * (low + high), value, rtol=1e-5)
        fixed = sm.fit_ivp(fun, [t, t], data, [1.0, 0.3], [[2.0], [1.0]], local="k", bounds={"k[1]": (1.0, 1.0)})
        assert fixed.x[1] == 1.0
        assert fixed.dof == 16

    @pytest.mark.parametrize("compiled", [False, True])
    def test_constants_of_experiments(self, compiled):
        t = np.linspace(0, 3, 7)
        fun = lambda t, y, k, dose: (-k * y[0] + dose,)
        data = [(2.0 - dose / 0.8) * np.exp(-0.8 * t) + dose / 0.8 for dose in (1.0, 2.0)]
        fun = numba.njit(fun) if compiled else fun
        res = sm.fit_ivp(fun, [t, t], data, [1.0], [2.0], args=[(1,), (2,)])
        assert res.names == ["k"]
        assert_allclose(res.x, [0.8], rtol=1e-7)
        far = sm.fit_ivp(fun, [t, t], data, [5.0], [2.0], args=[(1,), (2,)], method="collocation")
        assert_allclose(far.x, [0.8], rtol=1e-7)
        own = sm.fit_ivp(
            fun, [t, t], data, [1.0], lambda k, dose: [2.0 + 0.0 * dose], args=[(1,), (2,)],
            df_dp=lambda t, y, k, dose: [[-y[0]]], observe=lambda t, y, k, dose: y + 0.0 * dose,
        )  # fmt: skip
        assert_allclose(own.x, [0.8], rtol=1e-7)

    def test_bounds_of_an_initial_value(self):
        fun = lambda t, y, k: -k * y
        y = 2.0 * np.exp(-0.5 * self.t)
        bounds = {"y0[0]": (0.0, 1.9), "k": (0.0, 1.0)}
        res = sm.fit_ivp(fun, self.t, y, [0.5], [np.nan], bounds=bounds)
        assert res.x[1] == 1.9
        assert "At a bound: y0[0]" in res.message
        # with y0 held, k is the least-squares fit of 1.9 exp(-k t)
        popt, _ = curve_fit(lambda t, k: 1.9 * np.exp(-k * t), self.t, y, (0.5,), xtol=1e-13, ftol=1e-13)
        assert_allclose(res.x[0], popt[0], rtol=1e-6)

    def test_exceptions_at_trial_points(self):
        root = lambda t, y, k: [-k * math.sqrt(y[0])]
        t = self.t[:7]
        assert_allclose(sm.fit_ivp(root, t, (2 - 0.25 * t) ** 2, [3.0], [4.0]).x, [0.5], rtol=1e-6)
        steep = lambda t, y, k: [-math.exp(k) * y[0]]
        assert_allclose(sm.fit_ivp(steep, t, np.exp(-0.5 * t), [3.0], [1.0]).x, [np.log(0.5)], rtol=1e-6)
        over = sm.fit_ivp(lambda t, y, k: [-math.exp(1000 * k) * y[0]], t, np.exp(-t), [3.0], [1.0])
        assert not over.success
        assert "`fun` raised OverflowError: math range error" in over.message
        with pytest.raises(KeyError):  # a mistake
            sm.fit_ivp(lambda t, y, k: {}["k"], t, np.exp(-t), [3.0], [1.0])

    def test_unsorted_and_repeated_times(self):
        t = np.array([3.0, 1.0, 1.0, 0.0, 2.0])
        res = sm.fit_ivp(lambda t, y, k: -k * y, t, 2 * np.exp(-0.5 * t), [1.0], [2.0], t0=0.0)
        assert_allclose(res.x, [0.5], rtol=1e-7)

    def test_a_mask_a_domain_and_a_deviation_for_each_experiment(self):
        y = 2 * np.exp(-0.5 * self.t)
        fun = lambda t, y, k: -k * y
        masked = sm.fit_ivp(fun, self.t, [y, 3 * y], [1.0], [2.0, 4.0, 6.0], observe=[True, False, True])
        assert_allclose(masked.x, [0.5], rtol=1e-7)
        root = lambda t, y, k: [-k * np.emath.sqrt(y[0]).real if y[0] >= 0 else math.sqrt(y[0])]
        t = self.t[:7]
        assert_allclose(sm.fit_ivp(root, t, (2 - 0.25 * t) ** 2, [3.0], [4.0]).x, [0.5], rtol=1e-6)
        two = sm.fit_ivp(fun, [self.t, self.t], [y, 2 * y], [1.0], [np.nan], sigma=[0.05, 0.02])
        assert two.success

    def test_a_robust_loss_has_the_statistics_of_curve_fit(self):
        y = 2 * np.exp(-0.5 * self.t) + 0.05 * np.cos(9 * self.t)
        popt, pcov = curve_fit(
            lambda t, k, a: a * np.exp(-k * t), self.t, y, (1, 1), loss="soft_l1", f_scale=0.05, method="trf"
        )
        res = sm.fit_ivp(lambda t, y, k: -k * y, self.t, y, [1.0], [np.nan], loss="soft_l1", f_scale=0.05)
        assert_allclose(res.x, popt, rtol=1e-5)
        assert_allclose(res.cov, pcov, rtol=1e-3)

    def test_an_outlier_and_a_robust_loss(self):
        y = 2 * np.exp(-0.5 * self.t)
        y[5] += 3.0
        plain, robust = (
            sm.fit_ivp(lambda t, y, k: -k * y, self.t, y, [1.0], [2.0], loss=loss, f_scale=0.01)
            for loss in ("linear", "cauchy")
        )
        assert abs(robust.x[0] - 0.5) < 1e-2 < abs(plain.x[0] - 0.5)

    def test_what_is_shown(self):
        res = sm.fit_ivp(saturating, *BOX, [100, 0.75], [0.0], t0=0.0)
        assert "12.35" in res.summary()
        assert repr(res).startswith("FitResult(b1=213.809 +- 12, b2=0.547237 +- 0.1; ssr=1168.01, dof=4; The fit")
        assert {"confint", "params", "undetermined"} <= set(dir(res))
        assert "b1, b2" in res.correlations() or "b2, b1" in res.correlations()
        y, low, high = res.predict([10.0, 2.0, 2.0], level=0.95)
        assert y.shape == low.shape == high.shape == (1, 3)
        assert (low < y).all()
        assert (y < high).all()
        assert_allclose(y[0, 1], y[0, 2])
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("Agg")
        assert len(res.plot()) == 2
        matplotlib.pyplot.close("all")


class TestFiles:
    """What a fit can do that was read from a file: all but what needs `fun` again."""

    def back(self, res, tmp_path):
        res.save(tmp_path / "fit")
        return sm.load(tmp_path / "fit")

    @pytest.mark.parametrize("y0", [[0.0], [np.nan], lambda b1, b2, c: [0.1 * b1 + b2 * c]])
    @pytest.mark.parametrize("observe", [None, [0]])
    @pytest.mark.parametrize("compiled", [False, True])
    def test_the_same_answers(self, y0, observe, compiled, tmp_path):
        fun = lambda t, y, b1, b2, c: b2 * (b1 - y[0]) * c
        res = sm.fit_ivp(
            numba.njit(fun) if compiled else fun,
            *BOX,
            [100, 0.75],
            y0,
            t0=0.0,
            args=(1.0,),
            observe=observe,
            scale="log",
        )
        back = self.back(self.back(res, tmp_path), tmp_path)
        assert repr(back) == repr(res)
        assert back.summary() == res.summary()
        assert back.correlations() == res.correlations()
        np.testing.assert_array_equal(back.confint(0.9), res.confint(0.9))
        of = lambda params: params["b1"] * params["b2"] + params["y0"][0]
        assert_allclose(back.confint(of=of), res.confint(of=of), rtol=1e-6)
        for t, level in (([7.0, 2.0, 2.0], None), (np.linspace(0, 10, 51), 0.9)):
            assert_allclose(back.predict(t, level), res.predict(t, level), rtol=1e-6, atol=1e-6)
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("Agg")
        ours, theirs = back.plot(), res.plot()
        for one, other in zip(ours, theirs, strict=True):
            for line, same in zip(one.lines, other.lines, strict=True):
                assert_allclose(line.get_ydata(), same.get_ydata(), rtol=1e-6, atol=1e-6)
        matplotlib.pyplot.close("all")

    def test_several_experiments(self, tmp_path):
        res = sm.fit_ivp(saturating, [BOX[0]] * 2, [BOX[1]] * 2, [100, 0.75], [0.0], t0=0.0, local="b1")
        back = self.back(res, tmp_path)
        for k in (0, 1):
            assert_allclose(back.predict([2.0], 0.9, k), res.predict([2.0], 0.9, k), rtol=1e-7)

    def test_what_needs_fun_again_says_so(self, tmp_path):
        back = self.back(sm.fit_ivp(saturating, *BOX, [100, 0.75], [0.0], t0=0.0), tmp_path)
        with pytest.raises(ValueError, match="beyond the last measurement, 10: there `fun` is needed"):
            back.predict([11.0])
        with pytest.raises(ValueError, match="`fun` is needed, which files do not hold"):
            back.confint(method="profile")
        with pytest.raises(AttributeError, match="has no `extend`: predict"):
            back.extend(11)
        again = sm.fit_ivp(saturating, *BOX, back.params, [0.0], t0=0.0)
        assert_allclose(again.predict([11.0]), 213.8094 * (1 - np.exp(-11 * 0.547237)), rtol=1e-6)

    def test_a_function_observes(self, tmp_path):
        res = sm.fit_ivp(saturating, *BOX, [100, 0.75], [0.0], t0=0.0, observe=lambda t, y, b1, b2: y + 0.0)
        back = self.back(res, tmp_path)
        assert back.summary() == res.summary()
        for use in (lambda: back.predict([2.0]), back.plot):
            with pytest.raises(ValueError, match="`observe` is needed, which files do not hold"):
                use()


class TestHonesty:
    def test_what_the_data_do_not_determine(self):
        t = np.linspace(0, 3, 10)
        res = sm.fit_ivp(lambda t, y, k1, k2: -k1 * k2 * y, t, np.exp(-0.5 * t), [1.0, 1.0], [1.0])
        assert not res.success
        assert res.status == -2
        ((size, direction),) = res.undetermined
        assert size < 1e-6
        assert set(direction) == {"k1", "k2"}
        assert "k1, k2" in res.message
        assert np.isinf(res.stderr).all()

    @pytest.mark.parametrize(("start", "method"), [(1e4, "shooting"), (1e4, "auto")])
    def test_where_nothing_has_an_effect(self, start, method):
        t = np.linspace(0, 5, 21)
        res = sm.fit_ivp(lambda t, y, k: -k * y, t, 2 * np.exp(-0.6 * t), [start], [2.0], method=method)
        assert res.success == (abs(res.x[0] - 0.6) < 1e-6)
        assert res.success or list(res.undetermined[0][1]) == ["k"]

    def test_a_derived_quantity_may_be_determined(self):
        t = np.linspace(0, 3, 10)
        y = np.exp(-0.5 * t) + 1e-3 * np.sin(7 * t)
        res = sm.fit_ivp(lambda t, y, k1, k2: -k1 * k2 * y, t, y, [1.0, 1.0], [1.0])
        low, high = res.confint(of=lambda p: p["k1"] * p["k2"])
        assert 0.49 < low < high < 0.51
        assert np.isinf(res.confint(of=lambda p: p["k1"])).all()
        with pytest.raises(ValueError, match="`of` goes with"):
            res.confint(of=lambda p: p["k1"], method="profile")

    def test_nothing_to_find(self):
        t = np.linspace(0, 3, 10)
        res = sm.fit_ivp(lambda t, y, k: -k * y, t, np.exp(-0.5 * t), [0.5], [1.0], bounds=(0.5, 0.5))
        assert res.success
        assert res.ssr < 1e-12
        assert res.dof == 10

    def test_no_solution_from_the_start(self):
        res = sm.fit_ivp(
            lambda t, y, a: y**2 * a, [1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [5.0], [1.0], t0=0.0, method="shooting"
        )
        assert not res.success
        assert "no solution" in res.message

    def test_noise_of_f(self):
        rng, t = np.random.default_rng(0), np.linspace(0, 5, 21)
        fun = lambda t, y, k: -k * y * (1 + 1e-4 * rng.standard_normal())
        res = sm.fit_ivp(fun, t, 2 * np.exp(-0.6 * t) + 0.02 * np.sin(50 * t), [1.0], [2.0])
        assert not res.success
        assert "scatters" in res.message

    def test_nan_from_f(self):
        res = sm.fit_ivp(lambda t, y, a: np.nan * y, [1.0, 2.0], [1.0, 1.0], [5.0], [1.0], t0=0.0)
        assert not res.success

    def test_fewer_data_than_unknowns(self):
        res = sm.fit_ivp(lambda t, y, a, b: -a * y + b, [1.0], [0.5], [1.0, 0.1], [1.0], t0=0.0)
        assert not res.success
        assert "1 measurements cannot determine 2 unknowns" in res.message

    def test_a_wrong_jacobian(self):
        with pytest.warns(UserWarning, match="`jac` does not agree"):
            res = sm.fit_ivp(saturating, *BOX, [100, 0.75], [0.0], t0=0.0, jac=lambda t, y, b1, b2: [[-2.0 * b2]])
        assert_allclose(res.x, [213.80940889, 0.54723748542], rtol=1e-6)

    def test_only_one_start_of_several_led_here(self):
        """cos(w t) has a minimum for each number of periods: most starts end in lesser ones."""
        t = np.linspace(0, 20, 81)
        fun = lambda t, y, w: [y[1], -w * w * y[0]]
        res = sm.fit_ivp(
            numba.njit(lambda t, y, w: (y[1], -w * w * y[0])), t, np.cos(2.0 * t), [1.95], [1.0, 0.0], observe=[0],
            method="shooting", starts=4,
        )  # fmt: skip
        assert_allclose(res.x, [2.0], rtol=1e-6)
        assert "Only one start led here" in res.message
        one = sm.fit_ivp(fun, t, np.cos(2.0 * t), [1.95], [1.0, 0.0], observe=[0], starts=1)
        assert one.message == "The fit converged."

    def test_a_callback_may_stop_it(self):
        seen = []

        def stop(intermediate_result):
            seen.append(intermediate_result.cost)
            if len(seen) == 3:
                raise StopIteration

        res = sm.fit_ivp(saturating, *BOX, [100, 0.75], [0.0], t0=0.0, callback=stop, method="shooting")
        assert len(seen) == 3
        assert not res.success
        assert np.isfinite(res.ssr)  # the best that was reached
        assert res.message == "`callback` stopped the fit."

    @pytest.mark.parametrize(
        ("arguments", "kind", "message"),
        [
            ({"fun": None}, TypeError, "`fun`"),
            ({"p0": [1.0]}, ValueError, "`p0` must hold 2 numbers"),
            ({"p0": {"b1": 1.0}}, ValueError, "`p0` must name the parameters"),
            ({"y": [1.0, 2.0]}, ValueError, r"`y` must have the shape \(k, 6\)"),
            ({"t": np.ones((2, 2))}, ValueError, "`t` must be 1-dimensional"),
            ({"sigma": -1.0}, ValueError, "`sigma` must be positive"),
            ({"sigma": np.ones(5)}, ValueError, "`sigma` must broadcast"),
            ({"bounds": (2.0, 1.0)}, ValueError, "`bounds`"),
            ({"bounds": {"k": (0, 1)}}, ValueError, "`bounds` name"),
            ({"bounds": (0.0, 1.0)}, ValueError, "`p0` must lie within"),
            ({"scale": "cubic"}, ValueError, "scale"),
            ({"p0": [-1.0, 1.0], "scale": "log"}, ValueError, "must be positive where"),
            ({"t0": 2.0}, ValueError, "must not lie before"),
            ({"observe": [3]}, ValueError, "`observe` must hold indices"),
            ({"y0": [0.0, 1.0]}, ValueError, "`y` must have 2 rows"),
            ({"method": "magic"}, ValueError, "method"),
            ({"starts": 0}, ValueError, "`starts`"),
            ({"callback": 1}, TypeError, "`callback`"),
            ({"workers": 0}, ValueError, "`workers`"),
            ({"args": 1.0}, TypeError, "`args` must be a tuple"),
            ({"local": ["k"]}, ValueError, "`local` must name parameters"),
            ({"p0": {"b1": [1.0, 2.0], "b2": 1.0}}, ValueError, "must be a number"),
            ({"bounds": {"y0[0]": (0.0, 1.0)}}, ValueError, "`bounds` name"),
            ({"y": [np.nan] * 6}, ValueError, "holds no measurement"),
            ({"y0": lambda b1, b2: [np.nan]}, ValueError, "`y0` must give finite numbers"),
        ],
    )
    def test_bad_input(self, arguments, kind, message):
        given = {"fun": saturating, "t": BOX[0], "y": BOX[1], "p0": [100, 0.75], "y0": [0.0], "t0": 0.0, **arguments}
        with pytest.raises(kind, match=message):
            sm.fit_ivp(**given)
