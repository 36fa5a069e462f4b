"""Initial value problems: one window of a trial solution after the other, as SciPy's solvers step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import DenseOutput, OdeSolver
from scipy.optimize import OptimizeResult

from .. import arguments
from ..arrays import Number, Real
from ..callback import Stopped, tell
from ..callback import checked as checked_callback
from ..trial.basis import basis
from ..trial.network import Network
from ..user.field import VectorField
from .ahead import Ahead, solved_at_once, steps_of
from .first import first_length
from .march import March
from .setting import MAX_WINDOWS, checked_breaks, checked_first_step, checked_max_windows, march_weights, width
from .solved import SolvedWindow

__all__ = ["STOPPED", "NeuralCollocation", "NeuralOutput"]

# A window with s functions is reported as s/4 steps, of a little more than a radian of an oscillation each
# (docs/decisions.md, "Marching").
_FUNCTIONS_PER_STEP = 4
STOPPED = "`callback` stopped the integration."


class NeuralOutput(DenseOutput):  # type: ignore[misc]
    """The trial solution of one window on one step: y(t) = y_start + xi N(xi), xi = (t - start)/h.

    Outside of the window, where a sum of sigmoids says nothing, the parabola that touches it at the nearer end.

    Attributes
    ----------
    start, h : float
        Where the window starts, and its length with sign. The step may be a part of it.
    y_start : ndarray, shape (n,)
        The value there.
    """

    def __init__(self, t_old: float, t: float, window: SolvedWindow) -> None:
        super().__init__(t_old, t)
        self.start, self.h, self.y_start = window.start, window.h, window.y_start
        self._window = window

    @property
    def theta(self) -> Number:
        """Parameters of the network."""
        return self._window.theta

    @property
    def network(self) -> Network:
        """What they mean."""
        return self._window.network

    def _call_impl(self, t: Number) -> Number:
        xi = ((t if t.ndim else t[None]) - self.start) / self.h
        y = self._window.values(xi)
        if xi.size and not (xi.min() >= 0.0 and xi.max() <= 1.0):
            for end, outside in ((0.0, xi < 0.0), (1.0, xi > 1.0)):
                y[:, outside] = self._window.parabola(end, xi[outside] - end)
        return np.asarray(y if t.ndim else y[:, 0])


class NeuralCollocation(OdeSolver):  # type: ignore[misc]
    """Collocation with neural trial solutions, a method for `scipy.integrate.solve_ivp`.

    Every step is one window with ``y = y_k + xi N(xi)``, N a network of one hidden layer whose output weights
    Newton's method finds so that the equation holds at right Radau points. Width and length of the windows follow
    from the tolerances. Made for smooth problems, stiff or not, at errors of 1e-5 and below.

    Parameters
    ----------
    fun : callable
        ``fun(t, y)`` -> (n,). A function compiled by Numba is called from compiled code, a window at a time. Never
        called outside of the span.
    t0, t_bound : float
        Start and end, in either order.
    y0 : array_like, shape (n,)
        Real or complex.
    first_step : float or None
        Length of the first window, by default chosen.
    max_step : float
        The longest window allowed, by default without a limit. Set it where `fun` changes within less than the
        distance of two nodes after a long quiet time.
    rtol, atol : float or array_like, shape (n,)
        The local error of a window is kept to 1.5 % of ``atol + rtol abs(y)``, so that errors on the steps and between
        them stay below the tolerance for well-conditioned problems. 1e-3 and 1e-6 by default.
    jac : None, array_like, sparse matrix or callable
        df/dy, (n, n): constant, or ``jac(t, y)``; by default forward differences.
    jac_sparsity : None, array_like or sparse matrix, shape (n, n)
        Where df/dy may differ from zero: fewer calls for differences, and sparse linear algebra.
    vectorized : bool
        Whether ``fun(t, y)`` takes y of shape (n, k). Where it takes t of shape (k,), too, a whole window is one
        call; that is tried, and checked, without being asked for.
    max_windows : int
        Limit on the windows that are tried, 20000 by default; then the integration ends with a message.
    substeps : int
        Into how many steps a window is reported, by default 1 to 6, so that a step is no longer than 1.3 radians
        of an oscillation. SciPy looks for events by changes of sign between steps: of two zeros in one step it sees
        none. A first window of length `first_step` is one step.
    breaks : array_like, optional
        Times at which `fun` has a kink or a jump, in any order: no window contains one. Those outside of the span do
        not matter. Those that are not given are found where they matter, at the price of some 10 to 250 more calls of
        `fun` each (``docs/ivp.md``).
    callback : callable, optional
        ``callback(intermediate_result)`` after each window with an `OptimizeResult` that holds ``t``, ``y``, ``nfev``,
        the ends ``t0`` and ``t_bound`` of the span, and what `sigmode.solve_ivp` is doing: the number of the
        ``attempt``, and ``phase``, "solve" or "estimate". It may raise ``StopIteration``: the integration ends with a
        message.

    Attributes
    ----------
    n, status, t, y, t_old, t_bound, direction, step_size, nfev, njev, nlu
        As in `scipy.integrate.OdeSolver`.
    field : VectorField
        `fun`, checked and counted.

    Notes
    -----
    Accuracy: with s = 2 - 2 log10(rtol) functions, 6 to 22, an implicit Runge-Kutta method with s stages; stable on
    the imaginary axis and strongly damped where df/dy is large and negative. Cost per window: about five calls of
    `fun` at each of the s points, and per sweep one system of s n unknowns, for n s > 100 s systems of n.

    The dense output is the trial solution itself; `Solution.from_ode_solution` makes one `Solution` of a whole run.

    References
    ----------
    Lagaris, Likas, Fotiadis, IEEE Trans. Neural Networks 9(5), 987-1000 (1998), for the trial solution. Hairer,
    Wanner, Solving Ordinary Differential Equations II, Sec. IV.5 and IV.8, for collocation and its implementation.

    Examples
    --------
    >>> from scipy.integrate import solve_ivp
    >>> import sigmode as sm
    >>> res = solve_ivp(lambda t, y: -y, (0, 5), [1.0], method=sm.NeuralCollocation, rtol=1e-9, atol=1e-12)
    >>> res.success, bool(abs(res.y[0, -1] - 0.006737946999085467) < 1e-10)
    (True, True)
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        t0: float,
        y0: ArrayLike,
        t_bound: float,
        max_step: float = np.inf,
        rtol: ArrayLike = 1e-3,
        atol: ArrayLike = 1e-6,
        jac: Any = None,
        jac_sparsity: Any = None,
        vectorized: bool = False,
        first_step: float | None = None,
        max_windows: int = MAX_WINDOWS,
        substeps: int | None = None,
        callback: Callable[[OptimizeResult], Any] | None = None,
        breaks: ArrayLike | None = None,
        **extraneous: Any,
    ) -> None:
        if extraneous:
            arguments.no_effect(extraneous)
        super().__init__(fun, t0, y0, t_bound, vectorized, support_complex=True)
        self.t, self.t_bound = float(t0), float(t_bound)
        self._t0 = self.t
        if math.isnan(self.t) or math.isnan(self.t_bound) or math.isinf(self.t):
            raise ValueError(f"`t0` must be finite and `t_bound` not NaN, got {t0} and {t_bound}.")
        if math.isinf(self.t_bound - self.t) and math.isfinite(self.t_bound):
            raise ValueError(f"The span from {t0} to {t_bound} is too long for floating-point numbers.")
        self.y: Number = np.array(self.y)
        self.field = VectorField(fun, self.n, self.y.dtype, vectorized, jac, jac_sparsity)
        self.max_step = arguments.positive(max_step, "max_step", infinite=True)
        self.rtol, self.atol = arguments.tolerances(rtol, atol, self.n)
        max_windows = checked_max_windows(max_windows)
        asked = None if substeps is None else arguments.count(substeps, "substeps")
        self.callback = checked_callback(callback)
        self._pending: list[tuple[float, Number]] = []  # steps of the last window that are still to be reported
        self._one_step = first_step is not None
        self._basis = basis(width(self.rtol))
        self.substeps: int = asked or -(-self._basis.s // _FUNCTIONS_PER_STEP)
        self.f = self._slope()
        weights = march_weights(self.rtol, self.atol, self.n)
        if first_step is None:
            start = self.t, self.y, self.f
            h_abs = first_length(self.field, start, self.t_bound, self.max_step, self._basis.s, weights[2])
        else:
            h_abs = checked_first_step(first_step, t0, t_bound)
        self._weights, self._most = weights, max_windows
        self._break_times = checked_breaks(breaks, self.direction)
        self._first, self._lost = h_abs, False
        self._march = self._new_march(h_abs)
        # Where nobody can tell when f is called the march is ahead of the steps.
        ahead = self._march.in_compiled_code and self.field.pure and not vectorized
        self._ahead = Ahead(self._march, self._basis, self.substeps) if ahead else None
        self._last: SolvedWindow | None = None
        self.nfev = self.field.nfev
        self.warns = True  # whether to say by a warning that `fun` scatters

    def _new_march(self, h_abs: float) -> March:
        span = self.t, float(self.t_bound)
        return March(
            self._basis, self.field, self._weights, span, self.y, self.f, self.max_step, self._most, h_abs,
            self._break_times,
        )  # fmt: skip

    def _slope(self) -> Number:
        return self.field(self.t, self.y) if self.n else self.y

    @property
    def window(self) -> SolvedWindow | None:
        """The last window that was accepted."""
        return self._last

    @property
    def noise(self) -> Real | None:
        """How much `fun` scatters, (n,), as far as that was noticed, else None."""
        return self._march.noise

    @property
    def noise_message(self) -> str | None:
        """A sentence about the noise of `fun`, if there is any."""
        return self._march.noise_message

    def go_on(self, most: int) -> tuple[list[SolvedWindow], str | None]:
        """March on by at most so many windows, one with a callback; why it ended before the end of the span, or None.

        For who does not need `step`, which goes on by one window at a time.
        """
        march = self._march
        if self.t_bound != march.bound:  # users who drive the solver by hand move it
            march.bound = float(self.t_bound)
        if march.in_compiled_code and self.callback is None and most > 1:
            arrays, stopped = march.stacked(most)
            if isinstance(stopped, Exception):
                raise stopped
            windows, why = (solved_at_once(arrays, self._basis)[0] if len(arrays[0]) else []), stopped
        else:
            accepted, why = march.windows(most if self.callback is None else 1)
            windows = [SolvedWindow(each, self._basis) for each in accepted]
        self._told()
        if windows:
            self._last = windows[-1]
            self.t, self.y = self._last.end, self._last.y_end
            if self.callback is not None and self._stopped():
                return windows, STOPPED
        return windows, why

    def _told(self) -> None:
        """What the march has counted and noticed."""
        self.nfev, self.njev, self.nlu = self.field.nfev, self.field.njev, self._march.nlu
        if self.noise is not None and self.warns:
            self.warns = False
            arguments.warn(f"{self.noise_message} Its solution is no better than that, whatever the tolerances.")

    def _stopped(self) -> bool:
        """Whether `callback`, told of the last window, ends the march."""
        state = {"t0": self._t0, "t_bound": self.t_bound, "attempt": 1, "phase": "solve", "nfev": self.nfev}
        try:
            tell(self.callback, t=self.t, y=self.y.copy(), **state)
        except Stopped:
            return True
        return False

    def _step_impl(self) -> tuple[bool, str | None]:
        if self._pending:
            return self._report()
        ahead = self._ahead_of_steps()
        self._lost = True  # should anything be raised
        if ahead is not None:
            found = ahead.next()
            self._lost = False
            self._told()
            if isinstance(found, str):
                return False, found
            self._last, self._pending = found
            self.t, self.y = self._last.end, self._last.y_end
        else:
            windows, why = self.go_on(1)
            self._lost = False
            if why is not None:
                return False, why
            self._pending = steps_of(windows[0], self.substeps)
        if self._one_step:
            self._one_step, self._pending = False, []
        return self._report() if self._pending else (True, None)

    def _ahead_of_steps(self) -> Ahead | None:
        """The march ahead of the steps; none where the end was moved by hand, or somebody looks on.

        A march that an exception has interrupted starts anew where the steps are.
        """
        moved = self._ahead is not None and self.t_bound != self._march.bound
        if self._lost or (moved and self._ahead is not None and not self._ahead.empty):
            self.f = self._slope()
            self._march = self._new_march(abs(self._last.h) if self._last is not None else self._first)
        if moved:
            self._ahead = None
        elif self._lost and self._ahead is not None:
            self._ahead = Ahead(self._march, self._basis, self.substeps)
        self._lost = False
        return self._ahead if self.callback is None else None

    def _report(self) -> tuple[bool, None]:
        """One of the steps that the last window consists of."""
        self.t, self.y = self._pending.pop(0)
        return True, None

    def _dense_output_impl(self) -> NeuralOutput:
        assert self._last is not None
        return NeuralOutput(self.t_old, self.t, self._last)
