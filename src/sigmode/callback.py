"""The callback of long work: every solver calls it in the same way, and it may stop each of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from scipy.optimize import OptimizeResult

from .arguments import function

__all__ = ["Callback", "Stopped", "bar", "checked", "tell"]

Callback = Callable[[OptimizeResult], Any]


class Stopped(Exception):
    """The way out of a solver whose callback raised StopIteration."""


def checked(callback: Any) -> Callback | None:
    """The callback as it was given, or a TypeError."""
    function(callback, "callback", optional=True)
    return callback  # type: ignore[no-any-return]


def tell(callback: Callback | None, **state: Any) -> None:
    """Call ``callback(intermediate_result)`` with the state as an `OptimizeResult`; it may raise StopIteration."""
    if callback is None:
        return
    try:
        callback(OptimizeResult(**state))
    except StopIteration:
        raise Stopped from None


def bar(length: float) -> Any:
    """A progress bar of this length."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("`progress` needs tqdm: pip install tqdm.") from None
    return tqdm(total=length if math.isfinite(length) else None, unit_scale=True)
