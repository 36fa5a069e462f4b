"""A user's compiled function of many points, ``f(x, y, *args)``, as machine code that kernels call on a block of them.

For each function, and each list of the types of `args`, one thin layer is compiled: it calls the function, checks the
shape of what comes and copies it to where it belongs.  The values of `args` reach it through memory, so that others
need no other code.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.core import cgutils, dispatcher
from numba.core.errors import NumbaError, TypingError
from numba.extending import intrinsic, overload
from numba.np import numpy_support

from ..arrays import Index, Number
from .launch import helper

__all__ = ["OnBlock", "call_on_block", "on_block"]

_X, _Y, _ARGS = types.float64[::1], types.float64[:, ::1], types.int64[::1]


class OnBlock(NamedTuple):
    """address : of the machine code; args : (k,), where it finds `args`; keep : what must stay alive meanwhile."""

    address: int
    args: Index
    keep: Any


# ---------------------------------------------------------------------------------------------------------
# `args` in memory: one int64 per number, for an array its address and its shape.


def _packed(args: tuple[Any, ...]) -> tuple[tuple[Any, ...], Index, list[Any]] | None:
    """The types of `args`, their values as `unpack` reads them, and the arrays among them; None if that is no way."""
    kinds: list[Any] = []
    words: list[int] = []
    keep: list[Any] = []
    for value in args:
        if isinstance(value, (bool, np.bool_)):
            kinds.append(types.boolean)
            words.append(int(value))
        elif isinstance(value, (int, np.integer)) and -(2**63) <= value < 2**63:
            kinds.append(types.int64)
            words.append(int(value))
        elif isinstance(value, (float, np.floating)):
            kinds.append(types.float64)
            words.append(struct.unpack("q", struct.pack("d", float(value)))[0])
        elif type(value) is np.ndarray and value.dtype.kind in "fiub" and value.dtype.isnative and value.ndim:
            array = np.ascontiguousarray(value)
            kinds.append(types.Array(numpy_support.from_dtype(array.dtype), array.ndim, "C"))
            words += [array.ctypes.data, *array.shape]
            keep.append(array)
        else:
            return None
    return tuple(kinds), np.array(words, dtype=np.int64), keep


def _unpacker(kinds: tuple[Any, ...]) -> Any:
    """A compiled function that makes a tuple of these types of the words that `_packed` wrote."""

    @intrinsic
    def unpack(typingctx, words):
        made = types.Tuple(kinds)

        def codegen(context, builder, signature, arguments):
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            word = lambda i: builder.load(cgutils.gep_inbounds(builder, data, i))
            values, at = [], 0
            for kind in kinds:
                if isinstance(kind, types.Array):
                    values.append(_array_at(context, builder, kind, [word(at + i) for i in range(kind.ndim + 1)]))
                    at += kind.ndim + 1
                else:
                    values.append(_number_of(context, builder, kind, word(at)))
                    at += 1
            return context.make_tuple(builder, made, values)

        return made(words), codegen

    return unpack


def _number_of(context: Any, builder: Any, kind: Any, word: Any) -> Any:
    if kind == types.float64:
        return builder.bitcast(word, context.get_value_type(kind))
    return builder.trunc(word, context.get_value_type(kind)) if kind == types.boolean else word


def _array_at(context: Any, builder: Any, kind: Any, words: list[Any]) -> Any:
    """An array that does not own its memory, given its address and its shape."""
    array = context.make_array(kind)(context, builder)
    item = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    strides: list[Any] = []
    step = context.get_constant(types.intp, item)
    for length in reversed(words[1:]):
        strides.insert(0, step)
        step = builder.mul(step, length)
    context.populate_array(
        array,
        data=builder.inttoptr(words[0], array.data.type),
        shape=cgutils.pack_array(builder, words[1:]),
        strides=cgutils.pack_array(builder, strides),
        itemsize=context.get_constant(types.intp, item),
        meminfo=None,
    )
    return array._getvalue()


# ---------------------------------------------------------------------------------------------------------
# What the function returned: copied if it has the right shape.


def put(value: Any, out: Number) -> bool:
    """Copy `value` to `out` and tell whether it has its shape: an array, or its rows in a tuple or a list."""
    raise NotImplementedError


def _is_real(kind: Any) -> bool:
    return isinstance(kind, (types.Integer, types.Float, types.Boolean))


@overload(put)
def _put_compiled(value, out):
    if isinstance(value, types.Array) and value.ndim == out.ndim == 1 and _is_real(value.dtype):

        def put_numbers(value, out):
            if value.size != out.size:
                return False
            for i in range(out.size):
                out[i] = value[i]
            return True

        return put_numbers
    rows = isinstance(value, types.UniTuple | types.List) or (isinstance(value, types.Array) and value.ndim == out.ndim)
    if rows and out.ndim > 1:

        def put_rows(value, out):
            if len(value) != len(out):
                return False
            for k in range(len(value)):  # noqa: SIM110  all(...) is nothing that Numba compiles
                if not put(value[k], out[k]):
                    return False
            return True

        return put_rows
    raise TypingError(f"it returns {value}, which is not an array of real numbers with {out.ndim} axes")


# ---------------------------------------------------------------------------------------------------------
# The layer, and the call of it.


def _layer(fun: Any, kinds: tuple[Any, ...], out: Any) -> Any:
    unpack = _unpacker(kinds)

    @njit(types.boolean(_X, _Y, _ARGS, out), no_cpython_wrapper=True)  # type: ignore[call-overload]
    def layer(x, y, words, out):
        return put(fun(x, y, *unpack(words)), out)

    return layer


_PARALLEL = "a launch of threads inside another one, from parallel=True, may abort the process"


def on_block(fun: Any, args: tuple[Any, ...], ndim: int) -> OnBlock | str | None:
    """The machine code of a compiled ``fun(x, y, *args)`` that returns an array of `ndim` axes.

    None for a function of Python, and for a compiled one whose call from Python raises a better error; a string, which
    says why, for one that only Python can call. Takes 0.2 to 0.5 s at the first call for a function and for types of
    `args`.
    """
    if not isinstance(fun, dispatcher.Dispatcher):
        return None
    packed = _packed(args)
    if packed is None:
        return "`args` are not all real numbers or arrays of them"
    if fun.targetoptions.get("parallel") or fun.targetoptions.get("forceobj"):
        return _PARALLEL if fun.targetoptions.get("parallel") else "forceobj=True makes it a function of Python"
    kinds, words, keep = packed
    out = types.Array(types.float64, ndim, "C")
    layers: dict[Any, Any] = fun.__dict__.setdefault("_sigmode_layers", {})
    key = kinds, ndim
    if key not in layers:
        try:
            layers[key] = _layer(fun, kinds, out)
        except NumbaError:
            layers[key] = None
    layer = layers[key]
    if layer is None:
        return None
    (compiled,) = layer.overloads.values()
    if "numba_parallel_for" in compiled.library.get_llvm_str():
        return _PARALLEL
    address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return OnBlock(address, words, (layer, keep))


@intrinsic
def _call(typingctx, address, x, y, words, out):
    arguments = (_X, _Y, _ARGS, out)

    def codegen(context, builder, signature, values):
        kind = context.call_conv.get_function_type(types.boolean, arguments)
        pointer = builder.inttoptr(values[0], kind.as_pointer())
        status, value = context.call_conv.call_function(builder, pointer, types.boolean, arguments, values[1:])
        return builder.and_(status.is_ok, value)

    return types.boolean(types.int64, *arguments), codegen


@helper
def call_on_block(address, x, y, words, out):
    """Whether the function at `address` filled in `out`: not if it raised, or returned another shape.

    Python calls it again then, for the exception that the user should see.
    """
    return _call(address, x, y, words, out)  # type: ignore[call-arg]
