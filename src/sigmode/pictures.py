"""The way to matplotlib, which is an extra."""

from __future__ import annotations

from typing import Any

__all__ = ["new_axes"]


def new_axes(rows: int = 1, **options: Any) -> Any:
    """Axes in a new figure, one or an array of them; ImportError that says what to install."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("Pictures need matplotlib: pip install matplotlib.") from None
    return pyplot.subplots(rows, sharex=True, layout="constrained", **options)[1]
