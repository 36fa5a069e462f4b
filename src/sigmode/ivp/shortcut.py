"""Which attempts suit a problem: the quick ones, if they can do it."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..compiled.functions import Called
from ..user.field import VectorField, compiled_on_nodes, is_compiled
from .attempt import Attempt
from .march import MOST_COMPILED
from .quick import Problem
from .quick_compiled import QuickCompiled
from .quick_plain import QuickPlain
from .setting import width
from .tables import bases_of
from .window import one_system

__all__ = ["shortcut"]

# Options that quick attempts know, and those with plain f.
_KNOWN = frozenset({"vectorized", "callback", "first_step", "max_windows"})
_KNOWN_OF_PLAIN = _KNOWN | {"jac", "jac_sparsity", "breaks"}


def shortcut(otherwise: Callable[..., Attempt], problem: Problem) -> Callable[..., Attempt]:
    """`otherwise`, or what does the same faster for a real problem; where it cannot go on it leaves all to that."""
    options, (t0, bound), y0 = problem.options, problem.t_span, problem.y0
    compiled = is_compiled(problem.fun)
    known = (_KNOWN if compiled else _KNOWN_OF_PLAIN).issuperset(options)
    simple = known and not options["vectorized"] and math.isfinite(bound) and t0 != bound
    if not simple or not 0 < y0.size <= MOST_COMPILED or y0.dtype.kind == "c":
        return otherwise
    if compiled:
        if problem.events is not None:
            return otherwise
        code = compiled_on_nodes(problem.fun, y0.size)
        return QuickCompiled(otherwise, problem, code) if isinstance(code, Called) else otherwise
    field = VectorField(problem.fun, y0.size, y0.dtype, False, options.get("jac"), options.get("jac_sparsity"))
    small = one_system(bases_of(width(problem.tolerances[0])).wider, field)
    return QuickPlain(otherwise, problem, field) if small else otherwise
