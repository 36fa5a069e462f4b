"""Pictures and short tables: what is drawn, where, and what is said without matplotlib."""

import sys

import matplotlib as mpl
import numpy as np
import pytest

import sigmode as sm
from sigmode.problems import LAGARIS_1, LAGARIS_4

mpl.use("Agg")
from matplotlib import pyplot


@pytest.fixture(autouse=True)
def close():
    yield
    pyplot.close("all")


def trained(p=LAGARIS_4):
    return sm.train(sm.Collocation(p.fun, p.span, p.y0, jac=p.jac))


def labels(axes):
    return [line.get_label() for line in axes.lines]


def test_a_result_draws_the_solution_its_error_and_its_residual():
    res = trained()
    above, below = res.plot()
    assert labels(above) == ["y0", "y1"]
    assert labels(below) == ["estimated error", "residual", "_estimated error", "_residual"]
    x, y = above.lines[0].get_data()
    np.testing.assert_array_equal(y, res.sol(x)[0])
    x, r = below.lines[1].get_data()
    assert r.max() < 1e-4
    assert below.get_yscale() == "log"


def test_a_solution_draws_itself_and_its_residual_if_it_is_told_the_equation():
    sol = trained(LAGARIS_1).sol
    above, below = sol.plot()
    assert (labels(above), labels(below)) == (["y"], ["estimated error"])
    _, below = sol.plot(fun=LAGARIS_1.fun)
    assert labels(below) == ["estimated error", "residual"]


def test_solutions_of_all_solvers_have_pictures():
    march = sm.solve_ivp(lambda t, y: -y, (0, 5), [1.0]).sol
    between = sm.solve_bvp(
        lambda x, y: np.array([y[1], -y[0]]), lambda a, b: np.array([a[0], b[0] - 1]), [0, 1], np.zeros((2, 2))
    ).sol
    second = sm.train(sm.Collocation(lambda x, y, dy: -y, (1, 0), (1.0, 0.0), order=2))
    for drawn in (march, between, second):
        _, below = drawn.plot()
        assert below.lines


def test_axes_may_be_given():
    _, axes = pyplot.subplots(1, 2)
    assert trained().plot(axes)[0] is axes[0]
    for bad, kind in ((axes[0], ValueError), ((1, 2), TypeError), (axes[:1], ValueError)):
        with pytest.raises(kind, match="`axes` must be two axes of matplotlib"):
            trained().plot(bad)


def test_without_matplotlib_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        trained().plot()


def test_notebooks_show_short_tables():
    res = trained()
    for shown, words in (
        (res, ("success", "True", "loss", "iterations")),
        (res.sol, ("windows", "hidden units", "estimated error")),
        (res.col, ("points", "40", "parameters")),
        (sm.assess(res.col, res.theta), ("success", "True")),
    ):
        text = shown._repr_html_()
        assert text.startswith("<table>")
        assert len(text) < 2000
        assert all(word in text for word in words)


def test_what_has_no_estimate_says_so_and_many_components_have_no_legend():
    col = sm.Collocation(lambda x, y: -y, (0, 1), np.ones(12))
    above, below = col.solution(col.initial()).plot()
    assert above.get_legend() is None
    assert [text.get_text() for text in below.texts] == ["no estimate of the error"]
