"""What a training returns: an `OptimizeResult` that can draw itself."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..arrays import Real
from ..html import table
from ..trial import plot
from ..trial.result import Result

__all__ = ["Trained"]


class Trained(Result, kind="train"):
    """The result of `train` and `assess`."""

    _not_stored = ("col",)
    _instead: ClassVar = {"extend": "one network has one span, train a `Collocation` over the longer one"}

    def plot(self, axes: Any = None) -> Any:
        """Draw the solution above, and below the logarithm of its estimated error and of its residual.

        Parameters
        ----------
        axes : pair of matplotlib axes, optional
            Where to draw, by default in a new figure.

        Returns
        -------
        axes : ndarray of two axes

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        return plot.plot(self.sol, axes, self._residual if "col" in self else None)  # files hold none

    def _residual(self, x: Real) -> Real:
        state, slope = self.col.state_and_slope(self.theta, x)
        n = self.col.network.n
        with np.errstate(all="ignore"):
            return np.asarray(slope[-n:] - self.col.rhs(x, state))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        rows = {
            "success": self.success,
            "message": self.message,
            "error": ", ".join(f"{e:.1e}" for e in self.error),
            "residual": f"{self.residual:.1e}",
            "loss": f"{self.loss:.1e}",
        }
        if "nit" in self:
            rows["iterations"] = self.nit
        return table("Trained trial solution", rows)
