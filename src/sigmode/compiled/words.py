"""Numbers and arrays in memory, one int64 after the other, and compiled code that makes them of that again.

One word per number; for an array its address, its shape and its strides: compiled code gets one array in place of
many, each of which Numba's wrapper looks at for a fifth of a microsecond.
"""

from __future__ import annotations

import struct
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import NumbaError
from numba.extending import intrinsic

from ..arrays import Index

__all__ = ["kinds_of", "unpacker", "words_of"]

_NUMBERS = (types.Boolean, types.Integer, types.Float)


def kinds_of(args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The types that Numba gives to `args`; None if there are others than real numbers and arrays of them."""
    if not args:
        return ()
    try:
        kinds = tuple(numba.typeof(value) for value in args)
    except (ValueError, NumbaError):
        return None
    for kind in kinds:
        number = kind.dtype if isinstance(kind, types.Array) else kind
        if not isinstance(number, _NUMBERS) or getattr(number, "bitwidth", 8) > 64 or number == types.float16:
            return None
        if isinstance(kind, types.Array) and not (kind.ndim and kind.aligned):
            return None
    return kinds


def words_of(args: tuple[Any, ...], kinds: tuple[Any, ...]) -> Index:
    """The words of `args` of these types. An array is described as it is now: it may be resized in place."""
    words: list[int] = []
    for value, kind in zip(args, kinds, strict=True):
        if isinstance(kind, types.Array):
            words += [value.__array_interface__["data"][0], *value.shape, *value.strides]
        elif isinstance(kind, types.Float):
            bits = struct.pack("d", float(value)) if kind.bitwidth == 64 else struct.pack("fxxxx", float(value))
            words.append(struct.unpack("q", bits)[0])
        else:
            words.append((int(value) + 2**63) % 2**64 - 2**63)
    return np.array(words, dtype=np.int64)


def unpacker(kinds: tuple[Any, ...], record: Any = None) -> Any:
    """A compiled function that makes a tuple of these types, or a `record`, of the words that `words_of` wrote."""

    @intrinsic
    def unpack(typingctx, words):
        made = types.Tuple(kinds) if record is None else record

        def codegen(context, builder, signature, arguments):
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            word = lambda i: builder.load(cgutils.gep_inbounds(builder, data, i))
            values, at = [], 0
            for kind in kinds:
                count = 1 + 2 * kind.ndim if isinstance(kind, types.Array) else 1
                make = _array_of if isinstance(kind, types.Array) else _number_of
                values.append(make(context, builder, kind, [word(at + i) for i in range(count)]))
                at += count
            return context.make_tuple(builder, made, values)

        return made(words), codegen

    return unpack


def _number_of(context: Any, builder: Any, kind: Any, words: list[Any]) -> Any:
    as_value = context.get_value_type(kind)
    if isinstance(kind, types.Float):
        bits = words[0] if kind.bitwidth == 64 else builder.trunc(words[0], ir.IntType(32))
        return builder.bitcast(bits, as_value)
    return words[0] if as_value.width == 64 else builder.trunc(words[0], as_value)


def _array_of(context: Any, builder: Any, kind: Any, words: list[Any]) -> Any:
    """An array that does not own its memory, given its address, its shape and its strides."""
    array = context.make_array(kind)(context, builder)
    context.populate_array(
        array,
        data=builder.inttoptr(words[0], array.data.type),
        shape=cgutils.pack_array(builder, words[1 : 1 + kind.ndim]),
        strides=cgutils.pack_array(builder, words[1 + kind.ndim :]),
        itemsize=context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype))),
        meminfo=None,
    )
    return array._getvalue()
