"""What `solve_ivp` returns: SciPy's fields, which can be written to a file and continued."""

from __future__ import annotations

from collections.abc import Callable

from numpy.typing import ArrayLike

from ..trial.result import Result
from ..trial.solution import Solution

__all__ = ["IvpResult", "may_go_on"]


class IvpResult(Result, kind="solve_ivp"):
    """The result of `solve_ivp`: a dictionary whose entries are attributes, with `save` and `extend`."""

    def extend(self, t_end: float, t_eval: ArrayLike | None = None) -> IvpResult:
        """The solution continued to `t_end`, with the same `fun`, `args`, tolerances and options.

        Parameters
        ----------
        t_end : float
            Beyond the end of the solution, in the direction of the integration.
        t_eval : array_like, shape (m,), optional
            Times of the new part, which are added to ``t``; by default as dense as `solve_ivp` makes them.

        Returns
        -------
        res : IvpResult
            A new result over the whole span; this one stays as it is. The estimated error of the new part has that of
            the first one in it, as the equation carries it on. ``status`` is -2 where the sum does not meet the
            tolerance; `nfev`, `njev` and `nlu` count both parts.

        Raises
        ------
        ValueError
            Where there is nothing to go on from: after a failure or a terminal event, without an estimate of the
            error, or where the result was read from a file or a pickle, or copied, which leave `fun` behind.

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
        further = self.__dict__.get("further")
        if further is None or type(self.sol) is not Solution:
            raise ValueError(
                "This result has left `fun` behind, as files, pickles, copies and derivatives do: solve again from "
                "res.t[-1] and res.y[:, -1], or all of it."
            )
        return further(self, t_end, t_eval)  # type: ignore[no-any-return]

    def __getstate__(self) -> None:
        """Nothing but the entries: functions cannot be pickled."""


def may_go_on(res: IvpResult, further: Callable[..., IvpResult] | None) -> IvpResult:
    """The result, with what continues it."""
    res.__dict__["further"] = further
    return res
