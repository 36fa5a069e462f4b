"""``python docs/_ext/pictures.py`` draws the three pictures of README.md and the front page into docs/pictures."""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import erf

import sigmode as sm

FOLDER = pathlib.Path(__file__).parents[1] / "pictures"
SIZE = {"figsize": (4.2, 3.6), "layout": "constrained"}


def initial():
    """Predators and prey, and the error of their solution."""

    def lotka_volterra(t, y):
        return np.array([1.5 * y[0] - y[0] * y[1], -3 * y[1] + y[0] * y[1]])

    res = sm.solve_ivp(lotka_volterra, (0, 15), [10, 5], rtol=1e-6, atol=1e-6)
    tight = sm.solve_ivp(lotka_volterra, (0, 15), [10, 5], rtol=1e-12, atol=1e-12)
    t = np.linspace(0, 15, 1001)
    figure, (above, below) = plt.subplots(2, 1, sharex=True, height_ratios=(3, 2), **SIZE)
    above.plot(t, res.sol(t).T)
    above.set_title("sm.solve_ivp, rtol = atol = 1e-6", fontsize=10)
    below.semilogy(t, np.abs(res.sol(t) - tight.sol(t)).max(axis=0), linewidth=0.8, label="true error")
    below.semilogy(t, res.sol.error(t).max(axis=0), label="estimated error")
    below.semilogy(t, 1e-6 * (1 + np.abs(res.sol(t)).max(axis=0)), color="0.6", linestyle=":", label="atol + rtol |y|")
    below.set(xlabel="t")
    below.legend(fontsize=7, loc="lower right")
    figure.savefig(FOLDER / "initial.png", dpi=110)


def boundary():
    """Problem 6 of Cash and Mazzia's test set: a layer at x = 0."""
    eps = 1e-6

    def fun(x, y):
        forced = -eps * np.pi**2 * np.cos(np.pi * x) - np.pi * x * np.sin(np.pi * x)
        return np.vstack([y[1], (forced - x * y[1]) / eps])

    ends = lambda ya, yb: np.array([ya[0] + 2, yb[0]])
    res = sm.solve_bvp(fun, ends, np.linspace(-1, 1, 5), np.zeros((2, 5)), tol=1e-6)
    x = np.union1d(np.linspace(-1, 1, 801), np.outer([-1, 1], np.geomspace(1e-6, 1, 300)))
    exact = np.cos(np.pi * x) + erf(x / np.sqrt(2 * eps)) / erf(1 / np.sqrt(2 * eps))
    figure, (above, below) = plt.subplots(2, 1, sharex=True, height_ratios=(3, 2), **SIZE)
    above.plot(x, res.sol(x)[0])
    above.plot(res.sol.x, 0 * res.sol.x - 2.2, "|", color="0.3", label="ends of windows")
    above.set_title("sm.solve_bvp from five nodes, a layer of 1e-3", fontsize=10)
    above.legend(fontsize=7)
    below.semilogy(x, np.maximum(np.abs(res.sol(x)[0] - exact), 1e-17), linewidth=0.8, label="true error")
    below.semilogy(x, res.sol.error(x)[0], label="estimated error")
    below.set(xlabel="x")
    below.legend(fontsize=7, loc="lower right")
    figure.savefig(FOLDER / "boundary.png", dpi=110)


def fit():
    """Hare and lynx, 1900 to 1920, thousands of pelts."""
    t = np.arange(1900, 1921.0)
    hare = "30 47.2 70.2 77.4 36.3 20.6 18.1 21.4 22 25.4 27.1 40.3 57 76.6 52.3 19.5 11.2 7.6 14.6 16.2 24.7"
    lynx = "4 6.1 9.8 35.2 59.4 41.7 19 13 8.3 9.1 7.4 8 12.3 19.5 45.7 51.1 29.7 15.8 9.7 10.1 8.6"
    data = np.array([hare.split(), lynx.split()], dtype=float)
    model = lambda t, y, a, b, c, d: [a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]]
    res = sm.fit_ivp(model, t, data, p0=[2.0, 0.1, 3.0, 0.1], y0=[np.nan, np.nan])
    figure, axes = plt.subplots(2, 1, sharex=True, height_ratios=(3, 2), **SIZE)
    res.plot(axes)
    axes[0].set_title("sm.fit_ivp, bands of 95 %", fontsize=10)
    axes[0].legend(["hare", "95 %", "measured", "lynx"], fontsize=7)
    axes[1].set_xticks(t[::5])
    figure.savefig(FOLDER / "fit.png", dpi=110)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    initial()
    boundary()
    fit()
