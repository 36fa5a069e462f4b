"""Functions of Python that compiled code calls.

An exception does not pass through compiled code: it is handed over to a function of Python, and the caller is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..arrays import Index, Real
from .launch import INDICES, VECTOR, entry

__all__ = ["Asked", "ask"]

# Points that f is asked for at a time, at most. Not tuned.
_AT_ONCE = 256

_intrinsic: Any = intrinsic  # whose first argument is Numba's own
_OBJECT = ir.IntType(8).as_pointer()
_NOTHING = ir.VoidType()


def _python(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """Call a function of Python's C interface."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _catch(builder: Any, failed: Any) -> None:
    """Give the exception that has been raised to a function of Python, `list.append`, say."""
    null = ir.Constant(_OBJECT, None)
    raised = [cgutils.alloca_once_value(builder, null) for _ in range(3)]
    _python(builder, "PyErr_Fetch", _NOTHING, *raised)
    _python(builder, "PyErr_NormalizeException", _NOTHING, *raised)
    kind, value, trace = (builder.load(each) for each in raised)
    with cgutils.if_likely(builder, builder.icmp_unsigned("!=", trace, null)):
        _python(builder, "PyException_SetTraceback", ir.IntType(32), value, trace)
    given = _python(builder, "PyObject_CallFunctionObjArgs", _OBJECT, failed, value, null)
    for each in (kind, value, trace, given):
        _python(builder, "Py_DecRef", _NOTHING, each)


@_intrinsic
def ask(typingctx, asked, failed, count):
    """Call asked(count) and tell whether it came back; what it raises is given to failed(exception).

    asked, failed : addresses of functions of Python.
    """

    def codegen(context, builder, signature, args):
        api = context.get_python_api(builder)
        lock = api.gil_ensure()
        null = ir.Constant(_OBJECT, None)
        asked, failed = (builder.inttoptr(value, _OBJECT) for value in args[:2])
        number = _python(builder, "PyLong_FromSsize_t", _OBJECT, args[2])
        given = _python(builder, "PyObject_CallFunctionObjArgs", _OBJECT, asked, number, null)
        _python(builder, "Py_DecRef", _NOTHING, number)
        done = builder.icmp_unsigned("!=", given, null)
        with builder.if_else(done, likely=True) as (came_back, raised):
            with came_back:
                _python(builder, "Py_DecRef", _NOTHING, given)
            with raised:
                _catch(builder, failed)
        api.gil_release(lock)
        return done

    return types.boolean(types.int64, types.int64, types.int64), codegen


@_intrinsic
def _numbers_at(typingctx, address):
    """The numbers at an address, as a pointer."""
    double = types.CPointer(types.float64)

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], ir.DoubleType().as_pointer())

    return double(types.int64), codegen


@entry(f"b1({VECTOR}, f8[:, :], {INDICES}, f8[:, :])")
def _through_python(t, Y, words, K):
    """f of Python at the points t (m,), Y (m, n), written to K (m, n), as `functions.call_at_nodes` calls it."""
    times, values, slopes = _numbers_at(words[2]), _numbers_at(words[3]), _numbers_at(words[4])
    n = Y.shape[1]
    for lo in range(0, t.size, _AT_ONCE):
        count = min(_AT_ONCE, t.size - lo)
        for i in range(count):
            times[i] = t[lo + i]
            for k in range(n):
                values[i * n + k] = Y[lo + i, k]
        if not ask(words[0], words[1], count):
            return False
        for i in range(count):
            for k in range(n):
                K[lo + i, k] = slopes[i * n + k]
    return True


class Asked:
    """A function of Python as kernels call it, see `functions.Called`.

    Attributes
    ----------
    address : int, of machine code; words : (6,), what it is given
    failed : exceptions that the function has raised
    """

    def __init__(self, answer: Callable[[Real, Real, Real], Any], n: int) -> None:
        """answer(t, Y, K) : f at points t (m,), Y (m, n), written to K (m, n)."""
        t, Y, K = memory = np.empty(_AT_ONCE), np.empty((_AT_ONCE, n)), np.empty((_AT_ONCE, n))
        self.address, self.failed = _through_python.address, list[BaseException]()

        def asked(count: int) -> None:
            answer(t[:count], Y[:count], K[:count])

        self._kept = asked, self.failed.append
        addresses = [each.__array_interface__["data"][0] for each in memory]
        self.words: Index = np.array([*map(id, self._kept), *addresses])
