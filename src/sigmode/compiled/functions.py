"""A user's compiled function f(t, y): its address, calls by it, differences of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils, dispatcher
from numba.extending import intrinsic

from .launch import MATRIX, VECTOR, entry

__all__ = ["address", "call_address", "differences"]

_VECTOR = types.float64[::1]
_FUNCTION = _VECTOR(types.float64, _VECTOR)


@intrinsic
def call_address(typingctx, address, t, y):
    """Call a compiled f(t, y) by its address, in Numba's own convention: exceptions pass through."""

    def codegen(context, builder, signature, args):
        arguments = (types.float64, _VECTOR)
        kind = context.call_conv.get_function_type(_VECTOR, arguments)
        pointer = builder.inttoptr(args[0], kind.as_pointer())
        status, value = context.call_conv.call_function(builder, pointer, _VECTOR, arguments, args[1:])
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return value

    return _VECTOR(types.int64, types.float64, _VECTOR), codegen


@entry(f"void(i8, f8, {VECTOR}, {VECTOR}, {VECTOR}, {MATRIX})")
def differences(address, t, y, slope, step, df_dy):
    """df/dy (n, n) of a compiled f by forward differences; slope : f(t, y)."""
    for m in range(y.size):
        shifted = y.copy()
        shifted[m] += step[m]
        run = shifted[m] - y[m]
        moved: Any = call_address(address, t, shifted)  # type: ignore[call-arg]
        for k in range(y.size):
            df_dy[k, m] = (moved[k] - slope[k]) / run


def address(fun: Any) -> tuple[int, Any] | None:
    """Where the machine code of a Numba-compiled f(t, y) starts, and what keeps it alive; None for any other function.

    A function that returns something else than a float64 vector gets a compiled layer that copies it into one.
    """
    if not isinstance(fun, dispatcher.Dispatcher):
        return None
    try:
        fun.compile(_FUNCTION.args)
        compiled: Any = fun.overloads[_FUNCTION.args]
        if compiled.signature.return_type != _FUNCTION.return_type:
            fun = _as_vector(fun)
            compiled = fun.overloads[_FUNCTION.args]
        return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name), fun
    except Exception:  # not for these types, or another numba: it is called from Python, as any other function
        return None


def _as_vector(fun: Any) -> Any:
    @njit(_FUNCTION)
    def vector(t, y):
        value = fun(t, y)
        copy = np.empty(len(value))
        for k in range(len(value)):
            copy[k] = value[k]
        return copy

    return vector
