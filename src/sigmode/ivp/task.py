"""One problem to solve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..arrays import Number, Real
from ..callback import Callback
from .events import Event

__all__ = ["Task"]


class Task(NamedTuple):
    """The checked arguments of `solve_ivp`; rtol, atol : () or (n,)."""

    method: Any
    fun: Callable[..., Any]
    t_span: tuple[float, float]
    y0: Number
    t_eval: Real | None
    events: list[Event] | None
    rtol: Real
    atol: Real
    controlled: bool
    max_step: float
    options: dict[str, Any]
    callback: Callback | None = None
    progress: bool = False
