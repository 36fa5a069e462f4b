"""Arrays without a claim on their memory.

Numba counts the claims on each array, one more for each function that it is given to, by operations that other cores
have to wait for. In a march of windows of a microsecond each they took a third of the time. What is lent has no claim
that could be counted: the compiler leaves these operations out. Whoever lends keeps the array until all is done.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["keep", "lend", "lent"]

_intrinsic: Any = intrinsic  # whose first argument is Numba's own


def lent(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """An array of LLVM's without its claim."""
    array = context.make_array(kind)(context, builder, value)
    array.meminfo = cgutils.get_null_value(array.meminfo.type)
    array.parent = cgutils.get_null_value(array.parent.type)
    return array._getvalue()


@_intrinsic
def lend(typingctx, array):
    """The same array without a claim on its memory."""

    def codegen(context, builder, signature, args):
        return lent(context, builder, signature.args[0], args[0])

    return array(array), codegen


@_intrinsic
def keep(typingctx, array):
    """Nothing: up to here the array is there."""
    return types.void(array), lambda context, builder, signature, args: context.get_dummy_value()
