"""Which attempts suit a problem: the quick ones, if they can do it."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..compiled.functions import Called
from ..user.field import VectorField, compiled_on_nodes, is_compiled
from .attempt import Attempt
from .march import MOST_COMPILED
from .quick_compiled import QuickCompiled
from .quick_plain import QuickPlain
from .setting import width
from .tables import bases_of
from .task import Task
from .window import one_system

__all__ = ["shortcut"]

# Options that quick attempts know, and those with plain f.
_KNOWN = frozenset({"vectorized", "first_step", "max_windows"})
_KNOWN_OF_PLAIN = _KNOWN | {"jac", "jac_sparsity", "breaks"}


def shortcut(otherwise: Callable[..., Attempt], task: Task) -> Callable[..., Attempt]:
    """`otherwise`, or what does the same faster for a real problem; where it cannot go on it leaves all to that."""
    fun, options, (t0, bound), y0 = task.fun, task.options, task.t_span, task.y0
    n, compiled = y0.size, is_compiled(fun)
    known = (_KNOWN if compiled else _KNOWN_OF_PLAIN).issuperset(options)
    simple = known and not options["vectorized"] and math.isfinite(bound) and t0 != bound
    if not simple or not 0 < n <= MOST_COMPILED or y0.dtype.kind == "c":
        return otherwise
    if compiled:
        if task.events is not None:
            return otherwise
        code = compiled_on_nodes(fun, n)
        return QuickCompiled(otherwise, task, code) if isinstance(code, Called) else otherwise
    field = VectorField(fun, n, y0.dtype, False, options.get("jac"), options.get("jac_sparsity"))
    small = one_system(bases_of(width(task.rtol)).wider, field)
    return QuickPlain(otherwise, task, field) if small else otherwise
