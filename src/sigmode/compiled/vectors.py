"""Vectors of eight numbers, and what a window does with them.

The compiler makes vector code of loops over many numbers. Over the 6 to 22 nodes of a window it does not. Here rows of
an array are read, computed with, and written eight numbers at a time: rows are padded to a multiple of eight.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from .launch import helper, inlined

__all__ = [
    "LANES", "aligned", "at_least", "eight", "fused", "larger", "largest", "load", "row_times", "spread", "store",
]  # fmt: skip

# Numbers in a vector: one register of AVX-512, two of AVX2; the compiler splits it where registers are smaller.
LANES = 8
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_intrinsic: Any = intrinsic  # whose first argument is Numba's own


class Eight(types.Type):
    """Numba's type of eight numbers."""

    def __init__(self) -> None:
        super().__init__("Eight")


_EIGHT = Eight()


@register_model(Eight)
class _EightModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _all_lanes(builder: Any, number: Any) -> Any:
    index, undefined = ir.IntType(32), ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(index, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(index, LANES), [0] * LANES))


def _place(context: Any, builder: Any, kind: Any, value: Any, row: Any, column: Any) -> Any:
    """A pointer to a number of an array (., m) in C order."""
    array = context.make_array(kind)(context, builder, value)
    width = builder.extract_value(array.shape, 1)
    return builder.gep(array.data, [builder.add(builder.mul(row, width), column)])


@_intrinsic
def eight(typingctx, number):
    """Eight times the same number."""
    return _EIGHT(types.float64), lambda context, builder, signature, args: _all_lanes(builder, args[0])


@_intrinsic
def spread(typingctx, array, row, column):
    """Eight times array[row, column]."""

    def codegen(context, builder, signature, args):
        return _all_lanes(builder, builder.load(_place(context, builder, signature.args[0], *args)))

    return _EIGHT(array, types.intp, types.intp), codegen


@_intrinsic
def load(typingctx, array, row, column):
    """array[row, column : column + 8]."""

    def codegen(context, builder, signature, args):
        place = _place(context, builder, signature.args[0], *args)
        return builder.load(builder.bitcast(place, _VECTOR.as_pointer()), align=8)

    return _EIGHT(array, types.intp, types.intp), codegen


@_intrinsic
def store(typingctx, array, row, column, value):
    """array[row, column : column + 8] = value."""

    def codegen(context, builder, signature, args):
        place = _place(context, builder, signature.args[0], *args[:3])
        builder.store(args[3], builder.bitcast(place, _VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, _EIGHT), codegen


@_intrinsic
def fused(typingctx, a, b, c):
    """a b + c with one rounding."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f64"), args)

    return _EIGHT(_EIGHT, _EIGHT, _EIGHT), codegen


@_intrinsic
def _absolute(typingctx, a):
    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fabs.v{LANES}f64"), args)

    return _EIGHT(_EIGHT), codegen


@_intrinsic
def larger(typingctx, a, b):
    """The larger numbers of two vectors; infinity for NaN in the second one."""

    def codegen(context, builder, signature, args):
        first, second = args
        infinite = ir.Constant(_VECTOR, [float("inf")] * LANES)
        second = builder.select(builder.fcmp_unordered("uno", second, second), infinite, second)
        return builder.select(builder.fcmp_ordered(">", first, second), first, second)

    return _EIGHT(_EIGHT, _EIGHT), codegen


@_intrinsic
def at_least(typingctx, a, b):
    """The larger numbers of two vectors, as they are compared: which one for NaN is left open."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return _EIGHT(_EIGHT, _EIGHT), codegen


@_intrinsic
def largest(typingctx, a):
    """The largest number of a vector without NaN."""

    def codegen(context, builder, signature, args):
        numbers = [builder.extract_element(args[0], ir.Constant(ir.IntType(32), i)) for i in range(LANES)]
        while len(numbers) > 1:
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            numbers = [builder.select(builder.fcmp_ordered(">", a, b), a, b) for a, b in pairs]
        return numbers[0]

    return types.float64(_EIGHT), codegen


def _by_lanes(operation: Any, name: str) -> None:
    """Make an operator of Python work on vectors."""

    @_intrinsic
    def compute(typingctx, a, b):
        codegen = lambda context, builder, signature, args: getattr(builder, name)(*args)
        return _EIGHT(_EIGHT, _EIGHT), codegen

    @overload(operation)
    def _operator(a, b):
        if isinstance(a, Eight) and isinstance(b, Eight):
            return lambda a, b: compute(a, b)
        return None


_OPERATORS = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}
for _operation, _of_llvm in _OPERATORS.items():
    _by_lanes(_operation, _of_llvm)


@overload(abs)
def _abs(a):
    return (lambda a: _absolute(a)) if isinstance(a, Eight) else None


@helper
def aligned(count, rows, columns):
    """An array (count, rows, columns) that is not initialised; each eight of its columns are in one cache line.

    Vectors across two lines cost half as much again.
    """
    raw = np.empty(count * rows * columns + LANES)
    first = -(raw.ctypes.data // 8) % LANES
    return raw[first : first + count * rows * columns].reshape((count, rows, columns))


@inlined
def row_times(K, k, table, at):
    """Eight of the products of row k of K (., m) and the columns of a table (s, .), from column `at` on, s <= m.

    Four sums: an addition does not wait for the one before.
    """
    s = table.shape[0]
    a, b, c, d = eight(0.0), eight(0.0), eight(0.0), eight(0.0)
    j = 0
    while j + 4 <= s:
        a = fused(spread(K, k, j), load(table, j, at), a)
        b = fused(spread(K, k, j + 1), load(table, j + 1, at), b)
        c = fused(spread(K, k, j + 2), load(table, j + 2, at), c)
        d = fused(spread(K, k, j + 3), load(table, j + 3, at), d)
        j += 4
    while j < s:
        a = fused(spread(K, k, j), load(table, j, at), a)
        j += 1
    return (a + b) + (c + d)
