"""Drivers: the optimisers that fit the parameters of a trial solution, and what they have in common."""

from __future__ import annotations

import time

import numpy as np
from scipy.linalg import lstsq
from scipy.optimize import least_squares, minimize

from ..arrays import Number, Real
from ..callback import Callback, Stopped, tell
from .collocation import Collocation
from .error import UNIT_ROUNDOFF

__all__ = ["LIMIT", "MAX_ITER", "NOT_FINITE", "STOPPED", "Run"]

# Why an optimiser stopped that did not stop by itself: the statuses that `train` reports.
LIMIT, STOPPED, NOT_FINITE = 2, 3, -1

# Iterations of each optimiser, for "least_squares" evaluations of the residual. Not tuned.
MAX_ITER = {"L-BFGS-B": 3000, "adam": 5000, "least_squares": 200, "output": 100}
# Singular directions below this part of the largest are rounding. Not tuned.
_RANK = 1e-15
# The line search gives up below this part of a step; Armijo's constant for the squared norm. Not tuned.
_SMALLEST_STEP, _SUFFICIENT = 1e-6, 1e-4
# Adam's step at the start, which falls to zero over the iterations, and its two decay rates and regularisation, as in
# its source. The step is not tuned.
_STEP, _DECAY, _TINY = 1e-2, (0.9, 0.999), 1e-8
# Outside of f's domain the loss is this many times the best value known. Not tuned.
_WALL = 10.0


class _NotFinite(Exception):
    """Leaves an optimiser whose Jacobian is not finite."""


class Run:
    """One training: the best parameters so far, the counts, the history, the way out for a callback."""

    def __init__(self, col: Collocation, callback: Callback | None) -> None:
        self.col = col
        self.callback = callback
        self.theta = np.empty(0)
        self.loss = np.inf
        self.nit = self.nfev = self.njev = 0
        self._began = time.perf_counter()
        self._stage = ""
        self._history: list[tuple[int, float, float, str]] = []

    @property
    def history(self) -> Number:
        """Iteration, loss, seconds since the start, stage: a record for each iteration and the start of each stage."""
        return np.rec.array(
            self._history, dtype=[("iteration", int), ("loss", float), ("time", float), ("stage", "U13")]
        )

    def drive(self, stage: str, theta: Real, max_iter: int) -> int:
        """Run one optimiser from theta; 0 where it stopped by itself, else the status that says why it stopped.

        Every stage counts one iteration at least: the one that found nothing better.
        """
        driver = {"output": _output, "least_squares": _least_squares, "L-BFGS-B": _lbfgs, "adam": _adam}[stage]
        before = self.nit
        try:
            if not self.begin(stage, theta):
                return NOT_FINITE
            stopped = driver(self, max_iter)
            if self.nit == before:
                self.iterated()
            return stopped
        except _NotFinite:
            return NOT_FINITE
        except Stopped:
            return STOPPED

    def begin(self, stage: str, theta: Real) -> bool:
        """Forget what earlier stages found; whether the residual is finite at theta."""
        self._stage, self.theta, self.loss = stage, theta, np.inf
        finite = bool(np.isfinite(self.residual(theta)).all())
        self._note(self.loss)
        return finite

    def look(self, stage: str, theta: Real) -> int:
        """Count parameters that were found without an optimiser as one iteration; 0 or STOPPED."""
        try:
            self.begin(stage, theta)
            self.iterated()
        except Stopped:
            return STOPPED
        return 0

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

    def iterated(self, loss: float | None = None) -> None:
        """Count an iteration and tell the callback; loss : where it is not the best one of this stage."""
        self.nit += 1
        self._note(self.loss if loss is None else loss)
        tell(self.callback, theta=self.theta.copy(), loss=self.loss, nit=self.nit, stage=self._stage)

    def _note(self, loss: float) -> None:
        self._history.append((self.nit, loss, time.perf_counter() - self._began, self._stage))


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


def _adam(run: Run, max_iter: int) -> int:
    """Kingma, Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980, algorithm 1, on all points."""
    theta = run.theta.copy()
    mean, square = np.zeros((2, theta.size))
    _, gradient = run.loss_and_gradient(theta)
    for k in range(1, max_iter + 1):
        mean += (1.0 - _DECAY[0]) * (gradient - mean)
        square += (1.0 - _DECAY[1]) * (gradient * gradient - square)
        step = _STEP * (1.0 - (k - 1) / max_iter) / (1.0 - _DECAY[0] ** k)
        theta -= step * mean / (np.sqrt(square / (1.0 - _DECAY[1] ** k)) + _TINY)
        loss, gradient = run.loss_and_gradient(theta)
        run.iterated(loss)
    return LIMIT


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
