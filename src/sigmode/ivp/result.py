"""What `solve_ivp` returns: SciPy's fields, which can be written to a file and continued."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from numpy.typing import ArrayLike

from ..trial.result import Result
from ..trial.solution import Solution

__all__ = ["IvpResult", "may_go_on"]


class Goes(Protocol):
    """What continues a result."""

    def __call__(self, first: IvpResult, t_end: Any, t_eval: ArrayLike | None) -> IvpResult:
        """The result continued."""

    def aside(self) -> dict[str, Any] | None:
        """The same without functions, for files."""


class IvpResult(Result, kind="solve_ivp"):
    """The result of `solve_ivp`: a dictionary whose entries are attributes, with `save` and `extend`."""

    # What continues a result that has left its functions behind, from `_aside` and functions; `solve_ivp` sets it.
    _again: ClassVar[Callable[..., Goes]]

    def extend(
        self,
        t_end: float,
        t_eval: ArrayLike | None = None,
        *,
        fun: Callable[..., Any] | None = None,
        args: tuple[Any, ...] | None = None,
        jac: Any = None,
        events: Any = None,
    ) -> IvpResult:
        """The solution continued to `t_end`, with the same `fun`, `args`, tolerances and options.

        Parameters
        ----------
        t_end : float
            Beyond the end of the solution, in the direction of the integration.
        t_eval : array_like, shape (m,), optional
            Times of the new part, which are added to ``t``; by default as dense as `solve_ivp` makes them.
        fun : callable, optional
            The right-hand side again, where the result comes from a file or a pickle or is a copy: they hold no
            functions.
        args : tuple, optional
            With `fun`. By default those from before: files hold numbers, texts and arrays in `args`.
        jac : callable or array_like, optional
            With `fun`, the Jacobian again, where there was one; without it differences are used.
        events : callable or list of callables, optional
            With `fun`, the same events again, where there were some.

        Returns
        -------
        res : IvpResult
            A new result over the whole span; this one stays as it is. The estimated error of the new part has that of
            the first one in it, as the equation carries it on. ``status`` is -2 where the sum does not meet the
            tolerance; `nfev`, `njev` and `nlu` count both parts.

        Raises
        ------
        ValueError
            Where there is nothing to go on from: after a failure or a terminal event, or without an estimate of the
            error; and where `fun`, `args` or `events` are missing.

        Notes
        -----
        Costs what the new part costs. The first part stays as exact as it is: an error that grows beyond the tolerance
        in the new part can only be helped by solving the whole span at once. ``first_step`` is not used again.

        Examples
        --------
        >>> import numpy as np
        >>> import sigmode as sm
        >>> res = sm.solve_ivp(lambda t, y: -y, (0, 5), [1.0], rtol=1e-8, atol=1e-10).extend(10)
        >>> res.sol.span, bool(abs(res.sol(8.0)[0] - np.exp(-8)) <= 2 * res.sol.error(8.0)[0])
        ((0.0, 10.0), True)
        """
        further: Goes | None = self.__dict__.get("further")
        if type(self.sol) is not Solution:
            raise ValueError("Derivatives cannot be continued: call `sensitivity` for the whole span.")
        if fun is not None:
            aside = self._aside()
            if aside is None:
                raise ValueError(
                    "This result does not say how it was made: solve again from res.t[-1] and res.y[:, -1]."
                )
            further = self._again(aside, self, fun, args, jac, events)
        elif any(value is not None for value in (args, jac, events)):
            raise ValueError("`args`, `jac` and `events` go together with `fun`, which is missing.")
        elif further is None:
            raise ValueError(
                "`fun` is missing: this result comes from a file or a pickle, or is a copy, and they hold no "
                "functions. Give it again, res.extend(t_end, fun=fun)."
            )
        return further(self, t_end, t_eval)

    def _aside(self) -> dict[str, Any] | None:
        """How to go on: tolerances, options, how far off the end is."""
        further = self.__dict__.get("further")
        if type(self.sol) is not Solution:
            return None
        return self.__dict__.get("aside") if further is None else further.aside()

    def _take(self, aside: dict[str, Any]) -> None:
        self.__dict__["aside"] = aside

    def __getstate__(self) -> dict[str, Any]:
        """Beside the entries how to go on, without functions, which cannot be pickled."""
        return {"aside": self._aside()}


def may_go_on(res: IvpResult, further: Goes) -> IvpResult:
    """The result, with what continues it."""
    res.__dict__["further"] = further
    return res
