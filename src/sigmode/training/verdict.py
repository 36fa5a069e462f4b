"""The verdict on a trained solution: success, a status with figures and a remedy, the estimated error."""

from __future__ import annotations

import numpy as np

from ..arrays import Real
from ..trial.solution import Solution, with_error
from ..trial.windows import magnitudes
from .collocation import Collocation
from .drivers import LIMIT
from .error import UNIT_ROUNDOFF, ErrorEstimate, Noise, global_error
from .trained import Trained

__all__ = ["STATUS", "jac_is_wrong", "judge"]

STATUS = {
    0: "The estimated global error meets `tol`.",
    1: "The estimated global error does not meet `tol`.",
    2: "The iteration limit was reached before the estimated global error met `tol`.",
    3: "`callback` stopped the training before the estimated global error met `tol`.",
    -1: "`fun` or `jac` returned a value that is not finite.",
}
_REMEDY = {
    1: "Try more hidden units, another seed or method, or a shorter span; {march}does a solution exist on all of it?",
    2: "Try more hidden units, a shorter span or a larger `max_iter`; {march}does a solution exist on all of the span?",
    3: "",
    -1: "Is the solution still defined there?",
}
# A loss means nothing if the residual at the points is below this part of that between them. Not tuned.
_NOTHING = 1e-3
# What needs no network over the whole span.
_MARCH = {False: "`sigmode.solve_ivp` marches over long spans; ", True: "`sigmode.solve_bvp` refines where it must; "}
# Points at which the user's `jac` is looked at, and the part of them at which it may be wrong: `fun` may have kinks,
# but a difference sees only those within 1e-5 of the size of y. Not tuned.
_JAC_POINTS, _KINKS = 16, 1 / 8
# Training points that become window ends of the error estimate; it refines by itself. Not tuned.
_ESTIMATE_POINTS = 512
# Parts that may come from beyond the linearisation: of the error estimate, and of the error that is asked for
# (docs/decisions.md, "Success comes from the error equation").
_LINEAR, _NEGLIGIBLE = 0.3, 0.1


def judge(col: Collocation, theta: Real, loss: float, tol: float, stopped: int) -> Trained:
    """Decide on success from a fresh estimate; the optimiser's own opinion only explains a failure."""
    sol = col.solution(theta)
    estimate = _estimate(col, sol)
    sol = with_error(sol, estimate.x, estimate.bound)
    error = estimate.bound.max(axis=1)
    limit = tol * np.maximum(1.0, abs(sol(np.append(estimate.x, col.points))).max(axis=1))
    known = _known(estimate, limit)
    good = known and estimate.residual <= np.sqrt(tol) and bool((error <= limit).all())
    status = 0 if good else stopped or (1 if estimate.bad_x is None else -1)
    return Trained(
        sol=sol,
        theta=theta,
        loss=loss,
        error=error,
        residual=estimate.residual,
        status=status,
        message=_message(status, stopped, loss, estimate, limit, col),
        success=bool(good),
        col=col,
    )


def jac_is_wrong(col: Collocation, sol: Solution) -> bool:
    """Whether `jac` is not the derivative of `fun`, at more than an eighth of the points."""
    if col.rhs.jac is None:
        return False
    x = np.sort(col.points)[:: -(-col.points.size // _JAC_POINTS)]
    state = np.concatenate([sol(x, nu) for nu in range(col.form.order)])
    with np.errstate(all="ignore"):
        return bool(_KINKS * x.size < col.rhs.jac_is_wrong(x, state).sum())


def _known(estimate: ErrorEstimate, limit: Real) -> bool:
    """Whether the linearisation holds: its neglected part is small against the estimate or against what is asked."""
    small = np.maximum(_LINEAR * estimate.bound.max(axis=1), _NEGLIGIBLE * limit)
    return bool((estimate.second <= small).all())


def _message(status: int, stopped: int, loss: float, estimate: ErrorEstimate, limit: Real, col: Collocation) -> str:
    if status == 0:
        return STATUS[0] + (
            " The iteration limit was reached: more iterations may gain more." if stopped == LIMIT else ""
        )
    if status == -1:
        where = "" if estimate.bad_x is None else f" The first such point found is x = {estimate.bad_x:.6g}."
        return f"{STATUS[-1]}{where} {_REMEDY[-1]}"
    error = estimate.bound.max(axis=1)
    worst = int(np.argmax(error / limit))
    reached = f"Component {worst}: estimated error {error[worst]:.1e}, requested {limit[worst]:.1e}"
    if not _known(estimate, limit):
        reached += ", and the estimate itself is out of its range: the error may be of the size of the solution"
    reached += f"; residual {estimate.residual:.1e}."
    rows = col.points.size * col.network.n
    if rows < col.n_theta and np.sqrt(loss / rows) < _NOTHING * estimate.residual:
        reached += (
            f" There are fewer residuals ({rows}) than parameters ({col.n_theta}): a loss of zero means nothing. "
            "Try more points (`n_points`)."
        )
    return f"{STATUS[status]} {reached} {_REMEDY[status].format(march=_MARCH[col.form.two_point])}".strip()


def _estimate(col: Collocation, sol: Solution) -> ErrorEstimate:
    """The error equation on windows that see every collocation point and every steep unit of the network."""
    x0, x1 = col.span
    points = np.sort(col.points)[:: -(-col.points.size // _ESTIMATE_POINTS)]
    theta = sol.theta[0]
    features = x0 + (x1 - x0) * col.network.features(theta, col.points.size)
    breaks = np.unique(np.concatenate([[x0, x1], points, np.clip(features, min(x0, x1), max(x0, x1))]))
    if x1 < x0:
        breaks = breaks[::-1]
    sizes = [UNIT_ROUNDOFF * magnitudes(sol, nu)[0] for nu in range(col.form.order + 1)]
    noise = Noise(np.concatenate(sizes[:-1]), np.concatenate(sizes[1:]))
    trial = lambda x: col.state_and_slope(theta, x)
    estimate = global_error(trial, col.rhs.system(), breaks, noise, col.form.two_point)
    n = col.network.n  # the errors of y, not those of y'
    return estimate._replace(bound=estimate.bound[:n], second=estimate.second[:n])
