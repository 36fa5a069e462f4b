"""Drivers: the optimisers that fit the parameters of a trial solution, and what they have in common."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lstsq
from scipy.optimize import least_squares, minimize

from ..arrays import Real
from ..callback import Callback, Stopped, tell
from .collocation import Collocation
from .error import UNIT_ROUNDOFF

__all__ = ["LIMIT", "MAX_ITER", "NOT_FINITE", "STOPPED", "Run"]

# Why an optimiser stopped that did not stop by itself: the statuses that `train` reports.
LIMIT, STOPPED, NOT_FINITE = 2, 3, -1

# Iterations of each optimiser, for "least_squares" evaluations of the residual. Not tuned.
MAX_ITER = {"L-BFGS-B": 3000, "least_squares": 200, "output": 100}
# Singular directions below this part of the largest are rounding. Not tuned.
_RANK = 1e-15
# The line search gives up below this part of a step; Armijo's constant for the squared norm. Not tuned.
_SMALLEST_STEP, _SUFFICIENT = 1e-6, 1e-4
# Outside of f's domain the loss is this many times the best value known. Not tuned.
_WALL = 10.0


class _NotFinite(Exception):
    """Leaves an optimiser whose Jacobian is not finite."""


class Run:
    """One training: the best parameters so far, the counts, the way out for a callback."""

    def __init__(self, col: Collocation, callback: Callback | None) -> None:
        self.col = col
        self.callback = callback
        self.theta = np.empty(0)
        self.loss = np.inf
        self.nit = self.nfev = self.njev = 0

    def drive(self, stage: str, theta: Real, max_iter: int) -> int:
        """Run one optimiser from theta; 0 where it stopped by itself, else the status that says why it stopped."""
        self.theta, self.loss = theta, np.inf
        driver = {"output": _output, "least_squares": _least_squares, "L-BFGS-B": _lbfgs}[stage]
        try:
            if not np.isfinite(self.residual(self.theta)).all():
                return NOT_FINITE
            return driver(self, max_iter)
        except _NotFinite:
            return NOT_FINITE
        except Stopped:
            return STOPPED

    def keep(self, theta: Real, loss: float) -> None:
        """Remember the best parameters."""
        if loss < self.loss:
            self.theta, self.loss = theta.copy(), loss

    def residual(self, theta: Real) -> Real:
        """As the Collocation's, but infinite where theta is not finite."""
        self.nfev += 1
        if not np.isfinite(theta).all():  # an optimiser that lost its way
            return np.full(self.col.points.size * self.col.network.n, np.inf)
        r = self.col.residual(theta)
        self.keep(theta, float((r * r).sum()))
        return r

    def jacobian(self, theta: Real) -> Real:
        """As the Collocation's, or the end of the optimiser."""
        self.njev += 1
        J = self.col.jacobian(theta)
        if not np.isfinite(J).all():
            raise _NotFinite
        return J

    def loss_and_gradient(self, theta: Real) -> tuple[float, Real]:
        """As the Collocation's, but finite: outside f's domain a wall above the best value known."""
        self.nfev += 1
        self.njev += 1
        if np.isfinite(theta).all():
            loss, gradient = self.col.loss_and_gradient(theta)
            if np.isfinite(loss) and np.isfinite(gradient).all():
                self.keep(theta, loss)
                return loss, gradient
        return _WALL * self.loss + 1.0, np.zeros(theta.size)

    def iterated(self) -> None:
        """Count an iteration and tell the callback."""
        self.nit += 1
        tell(self.callback, theta=self.theta.copy(), loss=self.loss, nit=self.nit)


def _lbfgs(run: Run, max_iter: int) -> int:
    """The source's way. SciPy's default stop rules quit while the loss still falls, hence these."""
    options = {"maxcor": 50, "ftol": 0.0, "gtol": 1e-13, "maxiter": max_iter, "maxfun": 20 * max_iter, "maxls": 50}
    fit = minimize(
        run.loss_and_gradient,
        run.theta,
        jac=True,
        method="L-BFGS-B",
        callback=lambda _: run.iterated(),
        options=options,
    )
    return LIMIT if fit.nit >= max_iter else 0


def _least_squares(run: Run, max_iter: int) -> int:
    """MINPACK's Levenberg-Marquardt on residual and Jacobian, with its tolerances at rounding.

    It wants as many residuals as parameters: zeros are added. SciPy's "trf" does without, but crawls where the
    parameters are redundant (docs/decisions.md).
    """
    start = run.njev
    col = run.col
    missing = max(0, col.n_theta - col.points.size * col.network.n)
    zeros, zero_rows = np.zeros(missing), np.zeros((missing, col.n_theta))

    def residual(theta: Real) -> Real:
        return np.concatenate([run.residual(theta), zeros])

    def jacobian(theta: Real) -> Real:  # once per accepted step, the first time at the start
        if run.njev > start:
            run.iterated()
        return np.concatenate([run.jacobian(theta), zero_rows])

    tolerances = dict.fromkeys(("ftol", "xtol", "gtol"), 4 * UNIT_ROUNDOFF)
    fit = least_squares(residual, run.theta, jac=jacobian, method="lm", max_nfev=max_iter, **tolerances)
    return 0 if fit.status > 0 else LIMIT


def _output(run: Run, max_iter: int) -> int:
    """Gauss-Newton on V and c, damped, rank-revealing.

    Minimising |J v_new - (J v - r)| for the new weights themselves, not for a step, gives the smallest weights among
    all that fit (to a relative 1e-15): directions that the points do not see would otherwise fill up with rounding.
    """
    theta = run.theta.copy()
    output = slice(theta.size - run.col.network.n_output, None)
    r = run.residual(theta)
    for _ in range(max_iter):
        J = np.ascontiguousarray(run.jacobian(theta)[:, output])
        v = theta[output]
        new = lstsq(J, J @ v - r, cond=_RANK, lapack_driver="gelsy", check_finite=False)[0]
        found = _line_search(run, theta, output, new - v, float(r @ r))
        if found is None:
            return 0
        theta, r = found
        run.iterated()
    return LIMIT


def _line_search(run: Run, theta: Real, output: slice, step: Real, old: float) -> tuple[Real, Real] | None:
    """The longest of step, step/2, ... that lowers the squared norm; None where none does."""
    t = 1.0
    while t >= _SMALLEST_STEP and np.isfinite(step).all():
        trial = theta.copy()
        trial[output] += t * step
        r = run.residual(trial)
        if float(r @ r) < old * (1.0 - _SUFFICIENT * t):
            return trial, r
        t *= 0.5
    return None
