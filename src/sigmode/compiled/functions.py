"""A user's compiled function as machine code that kernels call: on a block of points, or on the nodes of a window.

For each function, and each list of the types of `args`, one thin layer is compiled: it calls the function, checks the
shape of what comes and copies it to where it belongs.  The values of `args` reach it through memory, so that others
need no other code.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import literal_unroll, njit, types
from numba.core import cgutils, dispatcher
from numba.core.errors import NumbaError, TypingError
from numba.extending import intrinsic, overload

from ..arrays import Index, Number
from .launch import helper, inlined
from .lending import lent
from .words import kinds_of, unpacker, words_of

__all__ = ["Called", "call", "call_at_nodes", "is_dispatcher", "on_block", "on_nodes"]

_X, _Y, _ARGS = types.float64[::1], types.float64[:, ::1], types.int64[::1]
_NODES = types.float64[:, :]  # values at nodes, in rows or in columns


class Called:
    """A compiled function as kernels call it.

    Attributes
    ----------
    address : int, of its machine code
    """

    def __init__(self, address: int, args: tuple[Any, ...], kinds: tuple[Any, ...], layer: Any) -> None:
        self.address, self._args, self._kinds, self._layer = address, args, kinds, layer
        self._fixed = None if any(isinstance(kind, types.Array) for kind in kinds) else words_of(args, kinds)

    def words(self) -> Index | None:
        """`args` as the machine code reads them; None where an array has become one of another type meanwhile."""
        if self._fixed is not None:
            return self._fixed
        arrays = ((value, kind) for value, kind in zip(self._args, self._kinds, strict=True) if hasattr(value, "ndim"))
        if any(numba.typeof(value) != kind for value, kind in arrays):
            return None
        return words_of(self._args, self._kinds)

    def with_args(self, args: tuple[Any, ...]) -> Index | None:
        """The words of other `args`; None where their types differ. What they point to is the caller's to keep."""
        return words_of(args, self._kinds) if kinds_of(args) == self._kinds else None


# ---------------------------------------------------------------------------------------------------------
# What the function returned: copied if it has the right shape.


def put(value: Any, out: Number) -> bool:
    """Copy `value` to `out` and tell whether it has its shape: an array, or its rows in a tuple or a list."""
    raise NotImplementedError


def _is_real(kind: Any) -> bool:
    return isinstance(kind, (types.Integer, types.Float, types.Boolean))


@overload(put)
def _put_compiled(value, out):
    if _is_real(value) and out.ndim == 1:

        def put_number(value, out):
            if out.size != 1:
                return False
            out[0] = value
            return True

        return put_number
    if isinstance(value, types.BaseTuple) and out.ndim == 1 and all(_is_real(kind) for kind in value.types):  # type: ignore[attr-defined]
        size = len(value)

        def put_tuple(value, out):
            if out.size != size:
                return False
            i = 0
            for number in literal_unroll(value):
                out[i] = number
                i += 1  # noqa: SIM113
            return True

        return put_tuple
    numbers = isinstance(value, types.Array) and value.ndim == 1 and _is_real(value.dtype)
    if out.ndim == 1 and (numbers or (isinstance(value, types.List) and _is_real(value.dtype))):

        def put_numbers(value, out):
            if len(value) != out.size:
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


def _block_layer(fun: Any, kinds: tuple[Any, ...], out: Any) -> Any:
    unpack = unpacker(kinds)

    @njit(types.boolean(_X, _Y, _ARGS, out), no_cpython_wrapper=True)  # type: ignore[call-overload]
    def layer(x, y, words, out):
        return put(fun(x, y, *unpack(words)), out)

    return layer


_PARALLEL = "a launch of threads inside another one, from parallel=True, may abort the process"


# Equations up to which y and f at one node are kept in registers, or where they cost no allocation. Not tuned.
_MOST_IN_REGISTERS = 64


def _room_for(n: int, own: bool) -> Any:
    """A compiled function that gives an array (n,): for the time of its caller, or one that may be kept, `own`."""
    if own or n > _MOST_IN_REGISTERS:
        return njit(lambda: np.empty(n))

    @intrinsic
    def room(typingctx):
        def codegen(context, builder, signature, arguments):
            data = cgutils.alloca_once(builder, ir.DoubleType(), size=n)
            size, item = (context.get_constant(types.intp, value) for value in (n, 8))
            made = context.make_array(_X)(context, builder)
            shape, strides = (cgutils.pack_array(builder, [value]) for value in (size, item))
            context.populate_array(made, data=data, shape=shape, strides=strides, itemsize=item, meminfo=None)
            return made._getvalue()

        return _X(), codegen

    return room


def _nodes_layer(fun: Any, kinds: tuple[Any, ...], n: int, own: bool = False) -> Any:
    """f at nodes one by one. n is a constant of the code: the compiler makes straight code of the loops over it.

    own : whether Python may keep the y that f gets, which code inside `with objmode()` may do.
    """
    unpack, room_for_y, room_for_f = unpacker(kinds), _room_for(n, own), _room_for(n, own)

    @njit(types.boolean(_X, _NODES, _ARGS, _NODES), no_cpython_wrapper=True)  # type: ignore[call-overload]
    def layer(t, y, words, out):
        args = unpack(words)
        one, slope = room_for_y(), room_for_f()  # `one` is f's, which may write to it
        for i in range(t.size):
            if own:
                one = room_for_y()
            for k in range(n):
                one[k] = y[i, k]
            if not put(fun(t[i], one, *args), slope):
                return False
            for k in range(n):
                out[i, k] = slope[k]
        return True

    return layer if own or "NRT_adapt_ndarray_to_python" not in _code_of(layer) else _nodes_layer(fun, kinds, n, True)


def is_dispatcher(fun: Any) -> bool:
    """Whether Numba has compiled a function, or will at its first call."""
    return isinstance(fun, dispatcher.Dispatcher)


def on_nodes(fun: Any, args: tuple[Any, ...], n: int) -> Called | str | None:
    """The machine code of a compiled ``f(t, y, *args)`` of n equations, for `call_at_nodes`, as `on_block`.

    f may return an array, a list or a tuple of numbers, for one equation a number.
    """
    make = functools.partial(_nodes_layer, n=n)
    return _machine_code(fun, args, (types.float64, _X), f"nodes {n}", make, alone=True)


def on_block(fun: Any, args: tuple[Any, ...], ndim: int) -> Called | str | None:
    """The machine code of a compiled ``fun(x, y, *args)`` that returns an array of `ndim` axes.

    None for a function of Python, and for a compiled one whose call from Python raises a better error; a string, which
    says why, for one that only Python can call. Takes 0.2 to 0.5 s at the first call for a function and for types of
    `args`.
    """
    make = functools.partial(_block_layer, out=types.Array(types.float64, ndim, "C"))
    return _machine_code(fun, args, (_X, _Y), f"block {ndim}", make)


def _machine_code(
    fun: Any, args: tuple[Any, ...], points: tuple[Any, ...], name: str, make: Callable[..., Any], alone: bool = False
) -> Called | str | None:
    """See `on_block`.

    points : types of what comes before `args`; name : of the layer that `make` makes; alone : whether no other thread
    runs.
    """
    if not is_dispatcher(fun):
        return None
    kinds = kinds_of(args)
    if kinds is None:
        return "`args` hold something else than real numbers and arrays of them as Numba has them"
    if fun.targetoptions.get("forceobj"):
        return "forceobj=True makes it a function of Python"
    if fun.targetoptions.get("parallel") and not alone:
        return _PARALLEL
    layer = _layer_of(fun, kinds, points, name, make)
    if layer is None:
        return None
    if not alone and _launches(layer):
        return _PARALLEL
    return Called(_address_of(layer), args, kinds, layer) if args else _without_args(layer)


@functools.lru_cache(maxsize=256)
def _without_args(layer: Any) -> Called:
    return Called(_address_of(layer), (), (), layer)


@functools.lru_cache(maxsize=256)
def _address_of(layer: Any) -> int:
    """Where the machine code of a layer is: asking for it takes 10 us."""
    (compiled,) = layer.overloads.values()
    address: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return address


def _code_of(layer: Any) -> str:
    """The code of a layer, with all that it calls, as LLVM's text."""
    (compiled,) = layer.overloads.values()
    text: str = compiled.library.get_llvm_str()
    return text


@functools.lru_cache(maxsize=256)
def _launches(layer: Any) -> bool:
    """Whether the machine code of a layer launches threads."""
    return "numba_parallel_for" in _code_of(layer)


def _layer_of(fun: Any, kinds: Any, points: Any, name: str, make: Callable[..., Any]) -> Any:
    """The layer around `fun`, made once for each of its compilations; None where Numba cannot compile it."""
    layers: dict[Any, Any] = fun.__dict__.setdefault("_sigmode_layers", {})
    made, layer = layers.get((name, kinds), (None, None))
    for each in _compilations(fun):
        if each is made:
            return layer
    signature = (*points, *kinds)
    if (name, kinds) not in layers or made is not _compilation(fun, signature):
        try:
            layer = make(fun, kinds)
        except NumbaError:
            layer = None
        layers[name, kinds] = _compilation(fun, signature), layer
    return layer


def _compilations(fun: Any) -> tuple[Any, ...]:
    """All compilations of `fun`, at this moment: another thread may add one."""
    # Looking one up takes ten times as long, an ordered dict's own values five times.
    return tuple(dict.values(fun.overloads))


def _compilation(fun: Any, signature: tuple[Any, ...]) -> Any:
    """One of them, for `signature` if it is there; None where there is none. `fun.recompile()` replaces them all."""
    return fun.overloads.get(signature) or next(iter(_compilations(fun)), None)


def _calling(y: Any) -> Any:
    """An intrinsic that calls a layer by its address; y : the type of its values, None where it takes any order."""

    @intrinsic
    def call_it(typingctx, address, x, values, words, out):
        arguments = (_X, y, _ARGS, out) if y else (_X, _NODES, _ARGS, _NODES)

        def codegen(context, builder, signature, given):
            kind = context.call_conv.get_function_type(types.boolean, arguments)
            pointer = builder.inttoptr(given[0], kind.as_pointer())
            # A function that raises an exception gives no claim back.
            arrays = [lent(context, builder, *pair) for pair in zip(arguments, given[1:], strict=True)]
            status, value = context.call_conv.call_function(builder, pointer, types.boolean, arguments, arrays)
            with cgutils.if_unlikely(builder, status.is_error):
                api = context.get_python_api(builder)
                lock = api.gil_ensure()
                api.err_clear()  # what Python code inside `with objmode()` raised
                api.gil_release(lock)
            return builder.and_(status.is_ok, value)

        taken = arguments if y else (x, values, words, out)
        return types.boolean(types.int64, *taken), codegen

    return call_it


_call, _call_at_nodes = _calling(_Y), _calling(None)


@helper
def call(address, x, y, words, out):
    """Whether the function at `address` filled in `out`: not if it raised, or returned another shape.

    Python calls it again then, for the exception that the user should see.
    """
    return _call(address, x, y, words, out)


@inlined
def call_at_nodes(address, t, Y, words, K):
    """As `call`, for the code of `on_nodes`: Y, K (k, n), in any order of memory."""
    return _call_at_nodes(address, t, Y, words, K)
