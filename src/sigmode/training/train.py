"""`train`: fit a trial solution by one method after the other, and say how far it can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from .. import arguments
from ..arrays import Real
from ..blas import one_thread
from ..callback import Callback
from ..callback import checked as checked_callback
from ..ivp.method import NeuralCollocation
from ..user.differences import replaced
from .collocation import Collocation
from .drivers import MAX_ITER, NOT_FINITE, STOPPED, Run
from .trained import Trained
from .verdict import STATUS, jac_is_wrong, judge

__all__ = ["assess", "train"]

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
    "adam": (("adam", 1.0, 1.0),),
}
# "auto" first marches, to this part of `tol`, with a relative tolerance between these. Not tuned.
_MARCH_PART, _LEAST_MARCH_RTOL, _MOST_MARCH_RTOL = 1e-3, 1e-12, 1e-6
# Windows that this march may try. Not tuned.
_MARCH_WINDOWS = 2000


def train(
    col: Collocation,
    theta0: ArrayLike | None = None,
    method: str = "auto",
    tol: float = 1e-6,
    max_iter: int | None = None,
    callback: Callback | None = None,
) -> Trained:
    """Fit a trial solution and say how far it can be trusted.

    Parameters
    ----------
    col : Collocation
        The problem and its collocation points.
    theta0 : array_like, shape (n_theta,), optional
        Where to start, by default ``col.initial()``.
    method : {"auto", "output", "least_squares", "L-BFGS-B", "adam"}
        * "output": Gauss-Newton on the output weights, the hidden layer stays as it is. Milliseconds.
        * "least_squares": `scipy.optimize.least_squares` on all weights.
        * "L-BFGS-B": `scipy.optimize.minimize` on loss and gradient, the classic way. Seconds, 1e-6.
        * "adam": what deep learning does, for comparison. The slow one: it ends at 1e-3 where the others are at 1e-6
          and below. Full batch, decay rates 0.9 and 0.999, a step of 1e-2 that falls linearly to zero over `max_iter`.
        * "auto": "output", started from a solution that `NeuralCollocation` marched; if the result does not meet
          `tol`, the same with hidden layers that are closer together or steeper; then "least_squares" from the best.
          With `theta0` it starts from there instead, with two-point conditions from the straight line between them.
    tol : float
        The estimated global error that counts as success, relative to ``max(1, max |y_k|)`` for each component. It
        does not stop the optimiser early: every method goes on while it gains.
    max_iter : int, optional
        Limit on the iterations of each optimiser: 100 (output), 3000 (L-BFGS-B), 5000 (adam, always used up); for
        least_squares, as in SciPy, on its evaluations of the residual (200). "auto" applies it to each of its
        optimisers, `nit` is the sum.
    callback : callable, optional
        ``callback(intermediate_result)`` after each iteration with an `OptimizeResult` that holds ``theta``,
        ``loss``, ``nit`` and ``stage``; of "auto" at least once in each of its stages. It may raise
        ``StopIteration``: the best solution so far is judged and returned.

    Returns
    -------
    res : OptimizeResult
        sol : Solution, with ``sol.error(x)``; theta : (n_theta,); loss : float; error : (n,), the largest estimated
        global error of each component; residual : float, the largest residual on points that were not trained on,
        relative to the terms of the equation; nit, nfev, njev : int; message : str; success : bool; status : int:
        0 the estimated error meets `tol`, 1 it does not, 2 nor within the iteration limit, 3 nor before `callback`
        stopped, -1 `fun` or `jac` is not finite; col : Collocation, as it was trained; history : record array with
        fields iteration, loss, time (seconds, with what is compiled meanwhile) and stage ("march", "output", ...), one
        record for each iteration and for the start of each stage. ``res.plot()`` draws the solution, its error and its
        residual (needs matplotlib).

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit. What `fun` raises passes through. A numerical failure is no exception.

    Warns
    -----
    UserWarning
        If `jac` does not agree with differences of `fun`, which are used instead.

    Notes
    -----
    `success` is not the optimiser's. It means: finite everywhere that was looked at, the conditions exact, the
    residual small between the collocation points, and the estimated global error within `tol`. The estimate solves
    the linearised error equation driven by the defect, on its own points, under the kind of conditions that the
    problem has; where the linearisation does not hold, there is no success. It can be deceived by what no point sees:
    features of `fun` narrower than a thousandth of the span. The result does not depend on the number of Numba
    threads; LAPACK's last bits may depend on where an array lies in memory.

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
    arguments.choice(method, "method", _STAGES)
    tol = arguments.positive(tol, "tol")
    if max_iter is not None:
        arguments.count(max_iter, "max_iter")
    checked_callback(callback)
    theta = col.initial() if theta0 is None else col.checked_theta(theta0, "theta0").copy()
    march = method == "auto" and theta0 is None and not col.form.two_point

    with one_thread(col.points.size * col.network.n * col.n_theta):
        return _trained(Run(col, callback), theta, method, tol, max_iter, march)


def _trained(run: Run, theta: Real, method: str, tol: float, max_iter: int | None, march: bool) -> Trained:
    """What `train` returns; a `jac` that is wrong costs a second training with differences."""
    if jac_is_wrong(run.col, run.col.solution(theta)):
        _replace_jac(run)
    best = _staged(run, theta, method, tol, max_iter, march)
    if jac_is_wrong(run.col, best.sol):  # it bends the estimate, too
        _replace_jac(run)
        if best.status == STOPPED:
            run.theta, run.loss = best.theta, best.loss
            best = judge(run.col, run.theta, run.loss, tol, STOPPED)
        else:
            best = _staged(run, theta, method, tol, max_iter, march)
    best.update(nit=run.nit, nfev=run.nfev, njev=run.njev, history=run.history)
    return best


def assess(col: Collocation, theta: ArrayLike, tol: float = 1e-6) -> Trained:
    """The verdict of `train` on parameters that come from somewhere else: another optimiser, a loop of one's own.

    Parameters
    ----------
    col : Collocation
        The problem and its collocation points.
    theta : array_like, shape (n_theta,)
        The parameters.
    tol : float
        The estimated global error that counts as success, relative to ``max(1, max |y_k|)`` for each component.

    Returns
    -------
    res : OptimizeResult
        sol, theta, loss, error, residual, status, message, success, col and ``plot()`` as `train` returns them; status
        0, 1 or -1.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit; theta must be finite. What `fun` raises passes through.

    Warns
    -----
    UserWarning
        If `jac` does not agree with differences of `fun`, which are used instead.

    Notes
    -----
    Costs what the error estimate costs: `fun` and `jac` at some hundred to thousand points, milliseconds.

    Examples
    --------
    >>> import numpy as np, sigmode as sm
    >>> from scipy.optimize import minimize
    >>> col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], n_hidden=8)
    >>> fit = minimize(col.loss_and_gradient, col.initial(), jac=True, options={"maxiter": 500, "gtol": 1e-9})
    >>> res = sm.assess(col, fit.x, tol=1e-3)
    >>> res.success, bool(abs(res.sol(1.0)[0] - np.exp(-1)) <= res.error[0])
    (True, True)
    """
    if not isinstance(col, Collocation):
        raise TypeError(f"`col` must be a Collocation, got {type(col).__name__}.")
    theta = col.checked_theta(theta).copy()
    tol = arguments.positive(tol, "tol")
    with one_thread(col.points.size * col.network.n * col.n_theta):
        if jac_is_wrong(col, col.solution(theta)):
            replaced("jac", "fun")
            col = col.without_jac()
        with np.errstate(all="ignore"):
            loss = col.loss(theta)
            return judge(col, theta, loss, tol, 0 if np.isfinite(loss) else NOT_FINITE)


def _replace_jac(run: Run) -> None:
    replaced("jac", "fun")
    run.col = run.col.without_jac()


def _staged(run: Run, theta: Real, method: str, tol: float, max_iter: int | None, march: bool) -> Trained:
    """The optimisers of a method, one after the other, until one succeeds; else the best that was reached."""
    col = run.col
    best, stopped = None, 0
    marched = _march(col, tol) if march else None
    if marched is not None and np.isfinite(start := col.fitted(theta, marched)).all():
        with np.errstate(all="ignore"):
            if run.look("march", start) == STOPPED:
                return judge(col, run.theta, run.loss, tol, STOPPED)
    for stage, reach, steeper in _STAGES[method]:
        with np.errstate(all="ignore"):  # overflow in a trial step is an answer, not an accident
            if stage == "output":
                start = col.network.reshaped(theta, reach, steeper)
                start = start if marched is None else col.fitted(start, marched)
            else:
                start = theta if best is None else best.theta
            if not np.isfinite(start).all():
                continue
            stopped = run.drive(stage, start, max_iter or MAX_ITER[stage])
            judged = judge(col, run.theta, run.loss, tol, stopped)
        if best is None or judged.success or judged.error.max() < best.error.max():
            best = judged
        if judged.success or stopped in (STOPPED, NOT_FINITE):
            break
    assert best is not None
    if stopped == STOPPED and best.status in (1, 2):  # during a stage that was no better than an earlier one
        best.message = best.message.replace(STATUS[best.status], STATUS[STOPPED])
        best.status = STOPPED
    return best


def _march(col: Collocation, tol: float) -> list[Real] | None:
    """The solution and its derivatives up to the order of the equation at the collocation points, (n, m) each.

    Found window by window; None if that fails. Collocation over the whole span may end at another solution of the
    equation, such as a fixed point: a march cannot.
    """
    order = np.argsort(col.points if col.span[1] > col.span[0] else -col.points)
    scale = float(np.clip(_MARCH_PART * tol, _LEAST_MARCH_RTOL, _MOST_MARCH_RTOL))
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
