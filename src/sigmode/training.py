"""Drivers: fit the parameters of a trial solution, then judge the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import lstsq
from scipy.optimize import OptimizeResult, least_squares, minimize

from .collocation import Collocation, checked_count
from .defect import UNIT_ROUNDOFF, ErrorEstimate, Noise, global_error
from .ivp import NeuralCollocation
from .solution import Solution

Array = NDArray[np.float64]
Callback = Callable[[OptimizeResult], Any]

__all__ = ["train"]

STATUS = {
    0: "The estimated global error meets `tol`.",
    1: "The estimated global error does not meet `tol`.",
    2: "The iteration limit was reached before the estimated global error met `tol`.",
    3: "`callback` stopped the training before the estimated global error met `tol`.",
    4: "`jac` does not agree with differences of `fun`.",
    -1: "`fun` or `jac` returned a value that is not finite.",
}
REMEDY = {
    1: "Try more hidden units, another seed or method, or a shorter span; does a solution exist on all of it?",
    2: "Try more hidden units, a shorter span or a larger `max_iter`; does a solution exist on all of the span?",
    3: "",
    4: "Leave `jac` out, or mend it: entry [k, l] is the derivative of fun's row k by y's row l.",
    -1: "Is the solution still defined there?",
}

# The optimisers that a method runs until one succeeds, and the hidden layer they start from: how far its centres reach
# out, and how much steeper its units are, relative to the given one. Measured in docs/decisions.md, "Training".
_STAGES: dict[str, tuple[tuple[str, float, float], ...]] = {
    "auto": (
        ("output", 1.0, 1.0),
        ("output", 0.56, 2.0),
        ("output", 0.56, 1.2),
        ("output", 1.0, 4.0),
        ("least_squares", 1.0, 1.0),
    ),
    "output": (("output", 1.0, 1.0),),
    "least_squares": (("least_squares", 1.0, 1.0),),
    "L-BFGS-B": (("L-BFGS-B", 1.0, 1.0),),
}
# "auto" first marches, to this part of `tol` and within these limits.
_MARCH_PART, _MARCH_RTOL = 1e-3, (1e-12, 1e-6)
_MARCH_WINDOWS = 2000
_MAX_ITER = {"L-BFGS-B": 3000, "least_squares": 200, "output": 100}
_RANK = 1e-15  # singular directions below this part of the largest are rounding
# The user's `jac` is compared with differences at so many points, to so much of its largest entry, with room for what
# the differences lose to rounding of `fun` where the derivative is small.
_JAC_POINTS = 16
_JAC_TOLERANCE = 1e-2
_JAC_ROUNDING = 1e-6
_SMALLEST_STEP = 1e-6
_SUFFICIENT = 1e-4  # Armijo's constant for the squared norm
_ESTIMATE_POINTS = 512  # training points that become window ends of the error estimate; it refines by itself
# Parts that may come from beyond the linearisation: of the error estimate, and of the error that is asked for.
_LINEAR = 0.3
_NEGLIGIBLE = 0.1


def train(
    col: Collocation,
    theta0: ArrayLike | None = None,
    method: str = "auto",
    tol: float = 1e-6,
    max_iter: int | None = None,
    callback: Callback | None = None,
) -> OptimizeResult:
    """Fit a trial solution and say how far it can be trusted.

    Parameters
    ----------
    col : Collocation
        The problem and its collocation points.
    theta0 : array_like, shape (n_theta,), optional
        Where to start, by default ``col.initial()``.
    method : {"auto", "output", "least_squares", "L-BFGS-B"}
        * "output": Gauss-Newton on the output weights, the hidden layer stays as it is. Milliseconds.
        * "least_squares": `scipy.optimize.least_squares` on all weights.
        * "L-BFGS-B": `scipy.optimize.minimize` on loss and gradient, the classic way. Seconds, 1e-6.
        * "auto": "output", started from a solution that `NeuralCollocation` marched; if the result does not meet
          `tol`, the same with hidden layers that are closer together or steeper; then "least_squares" from the best.
          With `theta0` it starts from there instead, with two-point conditions from the straight line between them.
    tol : float
        The estimated global error that counts as success, relative to ``max(1, max |y_k|)`` for each component. It
        does not stop the optimiser early: every method goes on while it gains.
    max_iter : int, optional
        Limit on the iterations of each optimiser: 100 (output), 3000 (L-BFGS-B); for least_squares, as in SciPy, on its
        evaluations of the residual (200). "auto" applies it to each of its optimisers, `nit` is the sum.
    callback : callable, optional
        ``callback(intermediate_result)`` after each iteration with an `OptimizeResult` that holds ``theta``,
        ``loss`` and ``nit``. It may raise ``StopIteration``: the best solution so far is judged and returned.

    Returns
    -------
    res : OptimizeResult
        sol : Solution, with ``sol.error(x)``; theta : (n_theta,); loss : float; error : (n,), the largest estimated
        global error of each component; residual : float, the largest residual on points that were not trained on,
        relative to the terms of the equation; nit, nfev, njev : int; message : str; success : bool; status : int:
        0 the estimated error meets `tol`, 1 it does not, 2 nor within the iteration limit, 3 nor before `callback`
        stopped, 4 `jac` does not agree with differences of `fun`, -1 `fun` or `jac` is not finite.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit. What `fun` raises passes through. A numerical failure is no exception.

    Notes
    -----
    `success` is not the optimiser's. It means: finite everywhere that was looked at, the conditions exact, the
    residual small between the collocation points, and the estimated global error within `tol`. The estimate solves
    the linearised error equation driven by the defect, on its own points, under the kind of conditions that the
    problem has; where the linearisation does not hold, there is no success. It can be deceived by what no point sees:
    features of `fun` narrower than a thousandth of the span.  Same `col`, same arguments: same bits, for any number
    of Numba threads.

    References
    ----------
    Lagaris, Likas, Fotiadis, IEEE Trans. Neural Networks 9(5), 987-1000 (1998), for "L-BFGS-B";
    ``docs/derivation.md``, eq. (21), for the gradient.

    Examples
    --------
    >>> import numpy as np, sigmode as sm
    >>> col = sm.Collocation(lambda x, y: -2 * x * y, (0, 1), [1.0], n_hidden=30)
    >>> res = sm.train(col, tol=1e-9)
    >>> res.success, bool(abs(res.sol(1.0)[0] - np.exp(-1)) < 1e-9)
    (True, True)
    """
    if not isinstance(col, Collocation):
        raise TypeError(f"`col` must be a Collocation, got {type(col).__name__}.")
    if not isinstance(method, str) or method not in _STAGES:
        raise ValueError(f"`method` must be one of {tuple(_STAGES)}, got {method!r}.")
    tol = _checked_tol(tol)
    if max_iter is not None:
        checked_count(max_iter, "max_iter")
    if callback is not None and not callable(callback):
        raise TypeError(f"`callback` must be callable or None, got {type(callback).__name__}.")
    theta = col.initial() if theta0 is None else col.checked_theta(theta0, "theta0").copy()

    run = _Run(col, callback)
    best, stopped = None, 0
    marched = _march(col, tol) if method == "auto" and theta0 is None and not col.form.two_point else None
    for stage, reach, steeper in _STAGES[method]:
        with np.errstate(all="ignore"):  # overflow in a trial step is an answer, not an accident
            if stage == "output":
                start = col.network.reshaped(theta, reach, steeper)
                start = start if marched is None else col.fitted(start, marched)
            else:
                start = theta if best is None else best.theta
            if not np.isfinite(start).all():
                continue
            stopped = run.drive(stage, start, max_iter or _MAX_ITER[stage])
            judged = _judge(run, tol, stopped)
        if best is None or judged.success or judged.error.max() < best.error.max():
            best = judged
        if judged.success or stopped in (3, -1):
            break
    assert best is not None
    if stopped == 3 and best.status in (1, 2):  # during a stage that was no better than an earlier one
        best.message = best.message.replace(STATUS[best.status], STATUS[3])
        best.status = 3
    best.update(nit=run.nit, nfev=run.nfev, njev=run.njev)
    return best


def _march(col: Collocation, tol: float) -> list[Array] | None:
    """The solution and its derivatives up to the order of the equation at the collocation points, (n, m) each.

    Found window by window; None if that fails. Collocation over the whole span may end at another solution of the
    equation, such as a fixed point: a march cannot.
    """
    order = np.argsort(col.points if col.span[1] > col.span[0] else -col.points)
    scale = float(np.clip(_MARCH_PART * tol, *_MARCH_RTOL))
    system = col.rhs.system()
    with np.errstate(all="ignore"):
        res = solve_ivp(
            lambda t, y: system(np.broadcast_to(t, y.shape[1:]).astype(float), y),
            col.span,
            col.y0.ravel(),
            method=NeuralCollocation,
            rtol=scale,
            atol=scale * max(1.0, float(abs(col.y0).max())),
            vectorized=True,
            dense_output=True,
            max_windows=_MARCH_WINDOWS,
        )
    if not res.success:
        return None
    state = np.empty((col.y0.size, order.size))
    state[:, order] = res.sol(col.points[order])
    highest = col.rhs(col.points, state)
    return [*np.split(state, col.form.order), highest] if np.isfinite(highest).all() else None


class _Stop(Exception):
    """Leaves an optimiser, with the status to report."""


class _Run:
    """One training: the best parameters so far, the counts, the way out for a callback."""

    def __init__(self, col: Collocation, callback: Callback | None) -> None:
        self.col = col
        self.callback = callback
        self.theta = np.empty(0)
        self.loss = np.inf
        self.nit = self.nfev = self.njev = 0

    def drive(self, stage: str, theta: Array, max_iter: int) -> int:
        """Run one optimiser from theta; 0 where it stopped by itself, else the status that says why it stopped."""
        self.theta, self.loss = theta, np.inf
        driver = {"output": _output, "least_squares": _least_squares, "L-BFGS-B": _lbfgs}[stage]
        try:
            if not np.isfinite(self.residual(self.theta)).all():
                return -1
            return driver(self, max_iter)
        except _Stop as stop:
            return int(stop.args[0])

    def keep(self, theta: Array, loss: float) -> None:
        if loss < self.loss:
            self.theta, self.loss = theta.copy(), loss

    def residual(self, theta: Array) -> Array:
        self.nfev += 1
        if not np.isfinite(theta).all():  # an optimiser that lost its way
            return np.full(self.col.points.size * self.col.network.n, np.inf)
        r = self.col.residual(theta)
        self.keep(theta, float((r * r).sum()))
        return r

    def jacobian(self, theta: Array) -> Array:
        self.njev += 1
        J = self.col.jacobian(theta)
        if not np.isfinite(J).all():
            raise _Stop(-1)
        return J

    def loss_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """As the Collocation's, but finite: outside f's domain a wall ten times as high as the best value known."""
        self.nfev += 1
        self.njev += 1
        if np.isfinite(theta).all():
            loss, gradient = self.col.loss_and_gradient(theta)
            if np.isfinite(loss) and np.isfinite(gradient).all():
                self.keep(theta, loss)
                return loss, gradient
        return 10.0 * self.loss + 1.0, np.zeros(theta.size)

    def iterated(self) -> None:
        self.nit += 1
        if self.callback is not None:
            try:
                self.callback(OptimizeResult(theta=self.theta.copy(), loss=self.loss, nit=self.nit))
            except StopIteration:
                raise _Stop(3) from None


def _lbfgs(run: _Run, max_iter: int) -> int:
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
    return 2 if fit.nit >= max_iter else 0


def _least_squares(run: _Run, max_iter: int) -> int:
    """MINPACK's Levenberg-Marquardt on residual and Jacobian, with its tolerances at rounding.

    It wants as many residuals as parameters: zeros are added. SciPy's "trf" does without, but crawls where the
    parameters are redundant (docs/decisions.md).
    """
    start = run.njev
    col = run.col
    missing = max(0, col.n_theta - col.points.size * col.network.n)
    zeros, zero_rows = np.zeros(missing), np.zeros((missing, col.n_theta))

    def residual(theta: Array) -> Array:
        return np.concatenate([run.residual(theta), zeros])

    def jacobian(theta: Array) -> Array:  # once per accepted step, the first time at the start
        if run.njev > start:
            run.iterated()
        return np.concatenate([run.jacobian(theta), zero_rows])

    tolerances = dict.fromkeys(("ftol", "xtol", "gtol"), 4 * UNIT_ROUNDOFF)
    fit = least_squares(residual, run.theta, jac=jacobian, method="lm", max_nfev=max_iter, **tolerances)
    return 0 if fit.status > 0 else 2


def _output(run: _Run, max_iter: int) -> int:
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
    return 2


def _line_search(run: _Run, theta: Array, output: slice, step: Array, old: float) -> tuple[Array, Array] | None:
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


def _judge(run: _Run, tol: float, stopped: int) -> OptimizeResult:
    """Decide on success from a fresh estimate; the optimiser's own opinion only explains a failure."""
    col, theta = run.col, run.theta
    sol = col.solution(theta)
    estimate = _estimate(col, sol)
    sol = sol.with_error(estimate.x, estimate.bound)
    error = estimate.bound.max(axis=1)
    limit = tol * np.maximum(1.0, abs(sol(np.append(estimate.x, col.points))).max(axis=1))
    known = _known(estimate, limit)
    good = known and estimate.residual <= np.sqrt(tol) and bool((error <= limit).all())
    status = 0 if good else stopped or (1 if estimate.bad_x is None else -1)
    if not _jac_fits(col, sol):
        good, status = False, 4
    return OptimizeResult(
        sol=sol,
        theta=theta,
        loss=run.loss,
        error=error,
        residual=estimate.residual,
        status=status,
        message=_message(status, estimate, limit, col),
        success=bool(good),
    )


def _jac_fits(col: Collocation, sol: Solution) -> bool:
    """Whether the user's `jac` is the derivative of `fun`: at most of a few points, since `fun` may have kinks."""
    if col.rhs.jac is None:
        return True
    x = np.sort(col.points)[:: -(-col.points.size // _JAC_POINTS)]
    state = np.concatenate([sol(x, nu) for nu in range(col.form.order)])
    given, found = col.rhs.jacobian(x, state), col.rhs.differences(x, state)
    scale = np.maximum(abs(given), abs(found)).max(axis=(0, 1)) + abs(col.rhs(x, state)).max(axis=0) * _JAC_ROUNDING
    wrong = abs(given - found).max(axis=(0, 1)) > _JAC_TOLERANCE * scale
    return bool(2 * wrong.sum() <= x.size)


def _known(estimate: ErrorEstimate, limit: Array) -> bool:
    """Whether the linearisation holds: its neglected part is small against the estimate or against what is asked."""
    small = np.maximum(_LINEAR * estimate.bound.max(axis=1), _NEGLIGIBLE * limit)
    return bool((estimate.second <= small).all())


def _message(status: int, estimate: ErrorEstimate, limit: Array, col: Collocation) -> str:
    if status == 0:
        return STATUS[0]
    if status == 4:
        return f"{STATUS[4]} {REMEDY[4]}"
    if status == -1:
        where = "" if estimate.bad_x is None else f" The first such point found is x = {estimate.bad_x:.6g}."
        return f"{STATUS[-1]}{where} {REMEDY[-1]}"
    error = estimate.bound.max(axis=1)
    worst = int(np.argmax(error / limit))
    reached = f"Component {worst}: estimated error {error[worst]:.1e}, requested {limit[worst]:.1e}"
    if not _known(estimate, limit):
        reached += ", and the estimate itself is out of its range: the error may be of the size of the solution"
    return f"{STATUS[status]} {reached}; residual {estimate.residual:.1e}. {REMEDY[status]}".strip()


def _estimate(col: Collocation, sol: Solution) -> ErrorEstimate:
    """The error equation on windows that see every collocation point and every steep unit of the network."""
    x0, x1 = col.span
    points = np.sort(col.points)[:: -(-col.points.size // _ESTIMATE_POINTS)]
    theta = sol.theta[0]
    features = x0 + (x1 - x0) * col.network.features(theta, col.points.size)
    breaks = np.unique(np.concatenate([[x0, x1], points, np.clip(features, min(x0, x1), max(x0, x1))]))
    if x1 < x0:
        breaks = breaks[::-1]
    sizes = [UNIT_ROUNDOFF * sol.magnitude(nu) for nu in range(col.form.order + 1)]
    noise = Noise(np.concatenate(sizes[:-1]), np.concatenate(sizes[1:]))
    trial = lambda x: col.state_and_slope(theta, x)
    estimate = global_error(trial, col.rhs.system(), breaks, noise, col.form.two_point)
    n = col.network.n  # the errors of y, not those of y'
    return estimate._replace(bound=estimate.bound[:n], second=estimate.second[:n])


def _checked_tol(tol: float) -> float:
    try:
        value = float(tol)
    except (TypeError, ValueError):
        raise TypeError(f"`tol` must be a positive number, got {tol!r}.") from None
    if not 0.0 < value < np.inf:
        raise ValueError(f"`tol` must be positive and finite, got {tol!r}.")
    return value
