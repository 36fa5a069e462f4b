"""`continue_bvp`: a branch of solutions of a boundary value problem, followed in one parameter, around folds, too."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult

from .. import arguments
from ..callback import Stopped, bar
from ..callback import checked as checked_callback
from .arc import LONGEST_STEP, Arc
from .branch import STOPPED, Branch
from .walk import Walk

__all__ = ["continue_bvp"]

# Options of `solve_bvp` that are passed on.
_OPTIONS = {"S", "fun_jac", "bc_jac", "max_nodes", "bc_tol"}


def continue_bvp(
    fun: Callable[..., Any],
    bc: Callable[..., Any],
    guess: Any,
    param: str | int,
    values: ArrayLike,
    *,
    args: tuple[Any, ...] | None = None,
    arclength: bool = False,
    tol: float = 1e-6,
    max_points: int = 500,
    max_step: float | None = None,
    callback: Callable[[OptimizeResult], Any] | None = None,
    progress: bool = False,
    **options: Any,
) -> Branch:
    """Follow a branch of solutions of a boundary value problem in one parameter.

    Parameters
    ----------
    fun, bc : callable
        As in `solve_bvp`, with at least one further argument: ``fun(x, y, *args)`` and ``bc(ya, yb, *args)``, with
        unknown parameters ``fun(x, y, p, *args)`` and ``bc(ya, yb, p, *args)``.
    guess : result of `solve_bvp`, `Solution`, or tuple
        Where to begin: a solution at or near ``values[0]``, or ``(x, y)`` or ``(x, y, p)`` as in `solve_bvp`.
    param : str or int
        The parameter: its name in the signature of `fun`, or its place in `args`.
    values : array_like, shape (N,), N >= 2
        The values of the parameter at which solutions are wanted, in this order. With ``arclength=True`` only the first
        and the last: the branch is followed from the first one into the direction of the last one until it leaves the
        range between the two.
    args : tuple, optional
        Further arguments of `fun` and `bc`; the entry of `param` is replaced. Not needed where `param` is the only one.
    arclength : bool
        Whether to follow the branch around folds, by steps along its arc instead of steps in the parameter.
    tol : float
        As in `solve_bvp`: of the estimated error of each point.
    max_points : int
        At most so many points with ``arclength=True``.
    max_step : float, optional
        The longest step along the arc, in units of the range of the parameter and of the solution's size at the ends
        (see Notes); by default 0.25.
    callback : callable, optional
        ``callback(intermediate_result)`` after each point, with ``value``, ``number``, ``result`` and ``folds``. It may
        raise ``StopIteration``.
    progress : bool
        Whether to show a progress bar (needs tqdm).
    **options
        Further options of `solve_bvp`: ``S``, ``fun_jac``, ``bc_jac``, ``max_nodes``, ``bc_tol``; no Jacobians with
        ``arclength=True``.

    Returns
    -------
    branch : Branch
        ``value`` (N,), ``results``, ``sol``, ``error`` (N, n), ``folds``, ``success``, ``message``, ``plot()`` and
        more.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit. A step that fails is no exception: the branch ends there, with its status.

    Notes
    -----
    Each point is solved from the last two, extrapolated. A step in the parameter that fails, or whose solution is far
    from where the last two point to, is halved, up to twelve times; what was solved between two of the wanted values is
    not returned.

    Along the arc the parameter is one more unknown, and the condition that is added is linear in the values at both
    ends, in p and in the parameter, v: ``t (v - v0) = ds`` with the direction t of the branch at the last point. The
    values at the ends and p determine a solution, so that this is a length along the branch; they say little where a
    branch is one of layers inside of the interval. Source: Keller, in Applications of Bifurcation Theory (1977). Two
    folds within one step are not seen, nor is it that a step leads to another branch which passes by more closely than
    the step is long: `max_step` is the remedy. A fold
    is where ``dvalue/ds = 0``: the derivative is exact (`sensitivity` in `solve_bvp`), and its root is found by
    solving between two points; the value is as good as `tol`, 1e-10 at least.

    Examples
    --------
    Bratu's problem has two solutions below k = 3.513830719, one there and none above:

    >>> import numpy as np
    >>> import sigmode as sm
    >>> def fun(x, y, k):
    ...     return np.vstack((y[1], -k * np.exp(y[0])))
    >>> def bc(ya, yb, k):
    ...     return np.array([ya[0], yb[0]])
    >>> x = np.linspace(0, 1, 5)
    >>> branch = sm.continue_bvp(fun, bc, (x, np.zeros((2, 5))), "k", (0.5, 4.0), arclength=True)
    >>> [round(fold.value, 8) for fold in branch.folds]
    [3.51383072]
    """
    wanted = arguments.numbers(values, "values", "(N,)", real=True)
    arguments.one_dimensional(wanted, "values")
    arguments.finite(wanted, "`values`")
    if wanted.size < 2 or (arclength and wanted[0] == wanted[-1]):
        raise ValueError(f"`values` must be two different numbers or more, got {wanted.tolist()}.")
    unknown = sorted(options.keys() - _OPTIONS)
    if unknown:
        raise TypeError(f"`{unknown[0]}` is no option of continue_bvp: there are {', '.join(sorted(_OPTIONS))}.")
    checked_callback(callback)
    arguments.function(fun, "fun", "x, y, *args")
    arguments.function(bc, "bc", "ya, yb, *args")
    place, own = _place(fun, guess, param, args)
    if arclength and not {"fun_jac", "bc_jac"}.isdisjoint(options):
        raise ValueError("`fun_jac` and `bc_jac` do not go with `arclength=True`: the parameter is one more unknown.")
    walk = Walk(fun, bc, (place, own), {"tol": tol, **options}, callback)
    branch = walk.branch
    branch.param = param
    walk.bar = bar(float(abs(wanted[-1] - wanted[0]))) if progress else None
    try:
        if walk.begin(guess, float(wanted[0])):
            longest = LONGEST_STEP if max_step is None else arguments.positive(max_step, "max_step")
            if arclength:
                Arc(walk, float(wanted[0]), float(wanted[-1]), arguments.count(max_points, "max_points"), longest).run()
            else:
                walk.through(wanted[1:].tolist())
    except Stopped:
        walk.end(STOPPED, "`callback` stopped the continuation.")
    finally:
        if walk.bar is not None:
            walk.bar.close()
    return walk.finished()


def _place(fun: Any, guess: Any, param: Any, args: Any) -> tuple[int, list[Any]]:
    """The place of the parameter in `args`, and these as a list."""
    try:
        own = [] if args is None else list(args)
    except TypeError:
        raise TypeError(f"`args` must be a tuple, got {type(args).__name__}.") from None
    if isinstance(param, str):
        try:
            names = list(inspect.signature(fun).parameters)
        except ValueError:
            raise ValueError("`param` must be a place in `args`: `fun` does not say its arguments' names.") from None
        behind = 3 if _has_p(guess) else 2
        if param not in names[behind:]:
            raise ValueError(f"`param` must be one of {names[behind:]}, the further arguments of `fun`, got {param!r}.")
        place = names.index(param) - behind
    elif isinstance(param, (int, np.integer)) and not isinstance(param, bool):
        place = int(param)
    else:
        raise TypeError(f"`param` must be a name or a place in `args`, got {type(param).__name__}.")
    if not own:
        own = [None] * (place + 1)
        if place:
            raise ValueError("`args` must be given where `param` is not the only further argument.")
    if not 0 <= place < len(own):
        raise ValueError(f"`param` is place {place} of `args`, which have {len(own)} entries.")
    return place, own


def _has_p(guess: Any) -> bool:
    return (
        len(guess) == 3 and guess[2] is not None if isinstance(guess, tuple) else getattr(guess, "p", None) is not None
    )
