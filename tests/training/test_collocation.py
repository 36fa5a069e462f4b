"""The public Collocation: shapes, points, differences, bad input."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import sigmode as sm
from sigmode.problems import LAGARIS_1, LAGARIS_3, LAGARIS_4, TANGENT
from sigmode.trial import points


def decay(x, y):
    return -y


def make(fun=decay, span=(0.0, 1.0), y0=(1.0,), **options):
    return sm.Collocation(fun, span, y0, **options)


class TestShapes:
    def test_of_a_system(self):
        p = LAGARIS_4
        col = sm.Collocation(p.fun, p.span, p.y0, n_hidden=5, n_points=9)
        theta = col.initial()
        assert col.points.shape == (9,)
        assert col.n_theta == theta.size == 4 * 5
        assert col.residual(theta).shape == (18,)
        assert col.jacobian(theta).shape == (18, 20)
        loss, gradient = col.loss_and_gradient(theta)
        assert isinstance(loss, float)
        assert gradient.shape == (20,)
        assert col.loss(theta) == loss

    def test_loss_is_the_squared_norm_and_its_gradient_follows_from_the_jacobian(self):
        p = LAGARIS_4
        col = sm.Collocation(p.fun, p.span, p.y0, 5, jac=p.jac)
        theta = np.random.default_rng(0).normal(size=col.n_theta)
        r = col.residual(theta)
        loss, gradient = col.loss_and_gradient(theta)
        assert loss == pytest.approx(r @ r, rel=1e-14)
        assert_allclose(gradient, 2 * col.jacobian(theta).T @ r, rtol=1e-11, atol=1e-12 * abs(gradient).max())

    def test_default_points_are_twice_the_hidden_units(self):
        assert make(n_hidden=7).points.size == 14

    def test_one_unit_and_one_point(self):
        col = make(n_hidden=1, n_points=1)
        assert col.residual(col.initial()).shape == (1,)


class TestPoints:
    @pytest.mark.parametrize("name", ["chebyshev", "radau", "uniform"])
    @pytest.mark.parametrize("span", [(2.0, 5.0), (5.0, 2.0), (0.8, -1.4), (1e9, 1e9 + 1e-3), (-1e-12, 3e-12)])
    def test_stay_inside_the_span(self, name, span):
        x = make(span=span, points=name, n_points=17).points
        assert x.min() >= min(span)
        assert x.max() <= max(span)
        assert len(np.unique(x)) == 17

    def test_radau_integrates_polynomials_of_degree_2m_minus_2(self):
        c = points.radau(5)
        weights = np.linalg.solve(np.vander(c, increasing=True).T, 1 / np.arange(1, 6))
        for degree in range(9):
            assert weights @ c**degree == pytest.approx(1 / (degree + 1), rel=1e-13)
        assert c[-1] == 1.0

    def test_chebyshev_are_the_zeros_of_the_polynomial(self):
        x = 2 * points.chebyshev(12) - 1
        assert_allclose(np.cos(12 * np.arccos(x)), 0, atol=1e-13)

    def test_given_points_are_used_in_their_order(self):
        x = np.array([2.5, 2.1, 4.0])
        assert_allclose(make(span=(2.0, 5.0), points=x).points, x, rtol=1e-15)

    def test_fun_is_called_at_the_points_and_never_outside(self):
        seen = []

        def fun(x, y):
            seen.append(x)
            return -y

        col = make(fun, span=(0.3, 0.1), points="uniform")
        col.residual(col.initial())
        assert_array_equal(seen[0], col.points)
        res = sm.train(col)
        seen = np.concatenate(seen)
        assert seen.min() >= 0.1
        assert seen.max() <= 0.3
        assert res.success


class TestInitial:
    def test_same_seed_same_bits_other_seed_other_values(self):
        assert_array_equal(make(seed=3).initial(), make(seed=3).initial())
        assert np.all(make(seed=3).initial()[:20] != make(seed=4).initial()[:20])

    def test_starts_at_the_initial_value_with_units_across_the_span(self):
        col = make(n_hidden=30)
        theta = col.initial()
        assert_array_equal(col.solution(theta)([0.0, 0.4, 1.0]), [[1.0, 1.0, 1.0]])
        centres = np.sort(-theta[30:60] / theta[:30])
        assert centres[0] < 0.0
        assert centres[-1] > 1.0
        assert np.diff(centres).max() < 0.2


class TestDifferences:
    @pytest.mark.parametrize("problem", [LAGARIS_1, LAGARIS_3, LAGARIS_4, TANGENT])
    def test_agree_with_the_analytic_jacobian(self, problem):
        p = problem
        given = sm.Collocation(p.fun, p.span, p.y0, 8, jac=p.jac)
        differences = sm.Collocation(p.fun, p.span, p.y0, 8)
        theta = np.random.default_rng(5).normal(size=given.n_theta)
        a, b = given.loss_and_gradient(theta)[1], differences.loss_and_gradient(theta)[1]
        assert_allclose(b, a, rtol=0, atol=1e-9 * abs(a).max())
        a, b = given.jacobian(theta), differences.jacobian(theta)
        assert_allclose(b, a, rtol=0, atol=1e-9 * abs(a).max())

    def test_are_one_sided_at_the_edge_of_the_domain(self):
        def fun(x, y):
            with np.errstate(invalid="ignore"):
                return np.sqrt(y) * y  # defined for y >= 0 only, its derivative exists at 0

        col = make(fun, y0=(0.0,), n_hidden=3)
        assert np.isfinite(col.jacobian(col.initial())).all()

    def test_args_reach_fun_and_jac(self):
        col = make(lambda x, y, a, b: a * y + b, args=(2.0, 3.0), jac=lambda x, y, a, b: np.full((1, 1, x.size), a))
        assert_allclose(col.residual(col.initial()), -5.0)
        assert sm.train(col).success


class TestSpan:
    def test_reversed_span_integrates_backwards(self):
        res = sm.train(make(span=(1.0, 0.0), y0=(np.exp(-1),)), tol=1e-9)
        x = np.linspace(0, 1, 201)
        assert res.success
        assert_allclose(res.sol(x)[0], np.exp(-x), rtol=0, atol=1e-9)
        assert_allclose(res.sol(x, 1)[0], -np.exp(-x), rtol=0, atol=1e-8)

    @pytest.mark.parametrize(("offset", "length"), [(1e9, 1.0), (0.0, 1e-12), (0.0, 1e12), (-3.0, 1.0)])
    def test_any_place_and_length(self, offset, length):
        res = sm.train(make(lambda x, y: -y / length, (offset, offset + length)), tol=1e-9)
        assert res.success
        assert res.sol(offset + length)[0] == pytest.approx(np.exp(-1), rel=1e-9)


BAD = [
    ({"fun": 3}, TypeError, r"`fun` must be callable.*int"),
    ({"jac": "exact"}, TypeError, r"`jac` must be callable.*str"),
    ({"args": 2.0}, TypeError, r"`args` must be a tuple.*\(args,\)"),
    ({"span": (0.0, 0.0)}, ValueError, "`span` must have a length"),
    ({"span": (0.0, np.inf)}, ValueError, "`span` must be finite"),
    ({"span": (np.nan, 1.0)}, ValueError, "`span` must be finite"),
    ({"span": (-1e308, 1e308)}, ValueError, "`span` must be finite"),
    ({"span": (0.0, 1.0, 2.0)}, ValueError, "`span` must be two numbers"),
    ({"span": 1.0}, ValueError, "`span` must be two numbers"),
    ({"span": (0, 1j)}, ValueError, "`span` must be two real numbers"),
    ({"span": "ab"}, ValueError, "`span` must be two real numbers"),
    ({"y0": 1.0}, ValueError, "`y0` must be 1-dimensional"),
    ({"y0": [[1.0]]}, ValueError, "`y0` must be 1-dimensional"),
    ({"y0": []}, ValueError, "`y0` must be 1-dimensional with at least one value"),
    ({"y0": [np.nan]}, ValueError, "All components of `y0` must be finite"),
    ({"y0": [1.0, np.inf]}, ValueError, "All components of `y0` must be finite"),
    ({"y0": [1j]}, ValueError, "`y0` is complex"),
    ({"y0": ["one"]}, ValueError, "`y0` must be real numbers"),
    ({"n_hidden": 0}, ValueError, "`n_hidden` must be at least 1, got 0"),
    ({"n_hidden": 2.5}, TypeError, "`n_hidden` must be an integer, got 2.5"),
    ({"n_points": 0}, ValueError, "`n_points` must be at least 1, got 0"),
    ({"n_points": -3}, ValueError, "`n_points` must be at least 1, got -3"),
    ({"n_points": "many"}, TypeError, "`n_points` must be an integer"),
    ({"points": "gauss"}, ValueError, r"`points` must be one of \('chebyshev', 'radau', 'uniform'\).*'gauss'"),
    ({"points": [0.1, 1.5]}, ValueError, "`points` must lie in the span.*1.5"),
    ({"points": [0.1, np.nan]}, ValueError, "`points` must lie in the span.*nan"),
    ({"points": []}, ValueError, "`points` must be one of .* or 1-dimensional"),
    ({"points": [[0.1]]}, ValueError, "`points` must be one of .* or 1-dimensional"),
    ({"points": [0.1, 0.2], "n_points": 3}, ValueError, "`n_points` is 3, but `points` has 2"),
    ({"points": None}, ValueError, "`points` must"),
    ({"activation": "relu"}, ValueError, r"`activation` must be one of \('sigmoid', 'tanh', 'sin'\), got 'relu'"),
    ({"seed": "x"}, TypeError, "`seed`"),
    ({"seed": -1}, ValueError, "`seed`"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD, ids=[str(row[0]) for row in BAD])
def test_bad_arguments_are_named_before_anything_is_computed(options, error, message):
    def fun(x, y):
        raise AssertionError("computed something")

    with pytest.raises(error, match=message):
        make(**{"fun": fun, **options})


# `jacobian` asks for all differences in one call: 32 points instead of 8
RETURNS = [
    (lambda x, y: None, "`fun` must return an array.*returned None"),
    (lambda x, y: y[:1], r"shape \(2, (8|32)\).*returned shape \(1, (8|32)\)"),
    (lambda x, y: y[:, :1], r"shape \(2, (8|32)\).*returned shape \(2, 1\)"),
    (lambda x, y: y.T, r"shape \(2, (8|32)\).*returned shape \((8|32), 2\)"),
    (lambda x, y: 1.0, r"shape \(2, (8|32)\).*returned shape \(\)"),
    (lambda x, y: [y[1], 0.0], "rows of different lengths.*np.full_like"),
    (lambda x, y: y + 1j, "`fun` returned complex"),
    (lambda x, y: np.full(y.shape, "a"), "`fun` must return real numbers"),
    (lambda x, y: y.astype(object), "`fun` must return real numbers"),
]


@pytest.mark.parametrize(("fun", "message"), RETURNS)
@pytest.mark.parametrize("method", ["residual", "loss", "loss_and_gradient", "jacobian"])
def test_what_fun_returns_is_checked(fun, message, method):
    col = make(fun, y0=(1.0, 2.0), n_hidden=4)
    with pytest.raises(ValueError, match=message):
        getattr(col, method)(col.initial())


def test_what_jac_returns_is_checked():
    col = make(y0=(1.0, 2.0), n_hidden=4, jac=lambda x, y: np.eye(2))
    with pytest.raises(ValueError, match=r"`jac` must return an array of shape \(2, 2, 8\).*shape \(2, 2\)"):
        col.jacobian(col.initial())


@pytest.mark.parametrize(
    "convert", [list, lambda f: f.astype(np.float32), np.asfortranarray, lambda f: np.ones(f.shape, int)]
)
def test_what_fun_returns_is_converted(convert):
    col = make(lambda x, y: convert(np.ones_like(y)), y0=(1.0, 2.0))
    assert_allclose(col.residual(col.initial()), -1.0)


def test_fun_may_return_its_input_or_a_read_only_array_and_change_x():
    def fun(x, y):
        x -= 100.0
        y.flags.writeable = False
        return y

    col = make(fun, n_hidden=6, jac=lambda x, y: np.ones((1, 1, x.size)))
    theta = col.initial()
    first = col.loss_and_gradient(theta)[1]
    assert_array_equal(col.loss_and_gradient(theta)[1], first)
    assert col.points.min() > 0.0


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        (np.zeros(3), r"`theta` must have shape \(60,\), got \(3,\)"),
        (np.zeros((60, 1)), r"`theta` must have shape \(60,\), got \(60, 1\)"),
        (np.full(60, np.nan), "`theta` must be finite, got nan"),
        (np.append(np.zeros(59), np.inf), "`theta` must be finite, got inf"),
        (np.zeros(60, complex), "`theta` must be real"),
        (["a"] * 60, "`theta` must be real"),
    ],
)
@pytest.mark.parametrize("method", ["residual", "loss", "loss_and_gradient", "jacobian", "solution"])
def test_bad_theta(theta, message, method):
    with pytest.raises(ValueError, match=message):
        getattr(make(), method)(theta)


def test_theta_of_any_layout_gives_the_same_and_is_not_changed():
    col = make(n_hidden=4)
    theta = np.linspace(-1, 1, 12)
    expected = col.loss_and_gradient(theta)[1]
    strided = np.repeat(theta, 2)[::2]
    frozen = theta.copy()
    frozen.flags.writeable = False
    for other in (strided, frozen, list(theta)):
        assert_array_equal(col.loss_and_gradient(other)[1], expected)
    assert_allclose(col.loss_and_gradient(theta.astype(np.float32))[1], expected, rtol=1e-5)
    assert_array_equal(theta, np.linspace(-1, 1, 12))


def test_y0_is_copied():
    y0 = np.array([1.0])
    col = make(y0=y0)
    y0[0] = 7.0
    assert col.solution(col.initial())(0.0)[0] == 1.0


class Trouble(Exception):
    pass


def test_what_fun_raises_passes_through():
    def fun(x, y):
        raise Trouble("mine")

    col = make(fun)
    for call in (col.residual, col.jacobian, col.loss, col.loss_and_gradient):
        with pytest.raises(Trouble, match="mine"):
            call(col.initial())
    with pytest.raises(Trouble, match="mine"):
        sm.train(col)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_values_of_fun_are_a_result_not_an_exception(value):
    col = make(lambda x, y: np.where(x > 0.5, value, -y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, gradient = col.loss_and_gradient(col.initial())
    assert not np.isfinite(loss)
    assert not np.isfinite(gradient).all()
