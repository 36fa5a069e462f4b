"""Pictures of a solution: its components above, the logarithm of what is wrong with them below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Real
from ..pictures import new_axes

__all__ = ["plot"]

# Points of a curve, at least. Not tuned.
_POINTS = 801
# Components that a legend has room for. Not tuned.
_MANY = 8
# What is smaller is drawn here: zero has no logarithm.
_SMALLEST = np.finfo(float).eps / 10.0


def plot(
    sol: Any,
    axes: Any = None,
    residual: Callable[[Real], Real] | None = None,
    exact: Callable[[Real], Real] | None = None,
) -> Any:
    """Draw a `Solution`, see its method.

    residual : x (m,) -> (n, m); exact : x (m,) -> (n, m), whose distance from the solution is drawn, too.
    """
    above, below = _axes(axes)
    x = np.unique(np.concatenate([np.linspace(sol.x[0], sol.x[-1], _POINTS), sol.x]))
    y = sol(x)
    for k, row in enumerate(y):
        colour = above.plot(x, row, label=f"y{k}" if len(y) > 1 else "y")[0].get_color()
        curves = [(sol.error(x), "--", "estimated error")]
        if residual is not None:
            curves.append((abs(residual(x)), ":", "residual"))
        if exact is not None:
            curves.append((abs(y - exact(x)), "-", "error"))
        for values, style, what in curves:
            if np.isfinite(values[k]).any():
                below.semilogy(x, values[k] + _SMALLEST, style, color=colour, label=f"_{what}" if k else what)
    above.set_ylabel("y")
    below.set_xlabel("x")
    if 1 < len(y) <= _MANY:
        above.legend(fontsize="small")
    if below.lines:
        below.legend(fontsize="small")
    else:
        below.text(0.5, 0.5, "no estimate of the error", ha="center", transform=below.transAxes)
    return np.array([above, below])


def _axes(axes: Any) -> tuple[Any, Any]:
    if axes is None:
        axes = new_axes(2)
    try:
        above, below = axes
    except (TypeError, ValueError):
        raise ValueError(f"`axes` must be two axes of matplotlib, got {axes!r}.") from None
    if not all(hasattr(ax, "semilogy") for ax in (above, below)):
        raise TypeError(f"`axes` must be two axes of matplotlib, got {axes!r}.")
    return above, below
