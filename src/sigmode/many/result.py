"""What an ensemble gives: arrays with the members along the first axis."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import numpy as np

from .. import frames
from ..arrays import Index
from ..html import counted
from ..pictures import new_axes
from ..trial.result import Result

__all__ = ["EnsembleResult"]

# Bands of a picture: these parts of the members are between their edges. Not tuned.
_BANDS = 0.9, 0.5
# Components that are drawn at most. Not tuned.
_MOST_DRAWN = 8
# Messages of members that failed, of which so many are shown. Not tuned.
_MOST_REASONS = 3


class EnsembleResult(Result, kind="solve_ensemble"):
    """The result of `solve_ensemble`: a dictionary whose entries are attributes.

    Attributes
    ----------
    t : ndarray, shape (k,), or (N, k) where it differs from member to member
    y, error : ndarray, shape (N, n, k)
        Values, and their estimated global errors; NaN from where a member ended early. None with `output`.
    output : ndarray, shape (N, ...)
        What `output` kept.
    success, status, nfev : ndarray, shape (N,)
    message : list of str
    sol : list of `Solution`, with ``dense_output=True``; None for a member that raised an exception
    """

    _instead: ClassVar = {"extend": "solve again over the longer `t_span`, or go on from y[:, :, -1] as `y0`"}

    def __repr__(self) -> str:
        """Of thousands of members no more than how many, and why some failed."""
        N = self.success.size
        shapes = ", ".join(f"{name} {np.shape(self[name])}" for name in ("t", "y", "output") if self[name] is not None)
        lines = [f"EnsembleResult: {self.success.sum()} of {counted(N, 'member')} with success; {shapes}"]
        if self.error is not None and np.isfinite(self.error).any():
            lines[0] += f"; largest estimated error {np.nanmax(self.error):.1e}"
        reasons = Counter(self.message[i] for i in self.failed)
        lines += [f"  {counted(count, 'member')}: {text}" for text, count in reasons.most_common(_MOST_REASONS)]
        if len(reasons) > _MOST_REASONS:
            lines.append(f"  and other messages, {counted(len(reasons) - _MOST_REASONS, 'kind')}, in `message`")
        return "\n".join([*lines, f"  Fields: {', '.join(self)}"])

    @property
    def failed(self) -> Index:
        """The members without success."""
        return np.flatnonzero(~self.success)

    def plot(self, axes: Any = None) -> Any:
        """Draw medians, and bands that hold 50 % and 90 % of the members.

        Parameters
        ----------
        axes : matplotlib axes, optional
            Where to draw, by default in a new figure.

        Returns
        -------
        axes : matplotlib axes

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        if self.y is None or self.t.ndim != 1:
            raise ValueError("A picture needs y, and the same `t_eval` for all members.")
        if axes is None:
            axes = new_axes()
        for k in range(min(self.y.shape[1], _MOST_DRAWN)):
            values = self.y[self.success, k].real
            if not len(values):
                continue
            colour = axes.plot(self.t, np.median(values, axis=0), label=f"y{k}")[0].get_color()
            for part in _BANDS:
                edges = np.quantile(values, [0.5 - part / 2.0, 0.5 + part / 2.0], axis=0)
                axes.fill_between(self.t, *edges, color=colour, alpha=0.25, linewidth=0.0)
        axes.set_xlabel("t")
        axes.set_ylabel("y")
        axes.set_title(f"{int(self.success.sum())} of {self.success.size} members: median, 50 % and 90 %")
        axes.legend(fontsize="small")
        return axes

    def to_xarray(self) -> Any:
        """y and error with axes "member", "component" and "t", success and status, as an `xarray.Dataset`.

        Raises
        ------
        ImportError
            Where xarray is not installed.
        """
        xarray = frames.xarray("to_xarray")
        if self.y is None:
            raise ValueError("With `output` there is no y.")
        axes = ("member", "component", "t")
        shared = self.t.ndim == 1
        data = {
            "y": (axes, self.y),
            "error": (axes, self.error),
            "success": ("member", self.success),
            "status": ("member", self.status),
            "nfev": ("member", self.nfev),
        }
        if not shared:
            data["time"] = (("member", "t"), self.t)
        return xarray.Dataset(data, coords={"t": self.t} if shared else {})
