"""Whether a function does nothing but compute: then it may be called with arrays to see whether it takes them."""

from __future__ import annotations

import builtins
import dis
import functools
import math
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from .alike import OF_MATH

__all__ = ["is_pure"]

# What would leave a trace, or has one of its own.
_LEAVES_TRACES = {
    "STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR", "DELETE_ATTR", "DELETE_GLOBAL", "IMPORT_NAME", "YIELD_VALUE",
    "MAKE_FUNCTION",
}  # fmt: skip
_BUILTINS = {
    "abs", "complex", "enumerate", "float", "int", "len", "list", "max", "min", "pow", "range", "sum", "tuple", "zip",
}  # fmt: skip
# What NumPy has that draws, reads files or writes to its arguments; and the keywords that make it do so.
_NOT_OF_NUMPY = {
    "at", "byteswap", "copyto", "dump", "fill", "fill_diagonal", "fromfile", "genfromtxt", "load", "loadtxt", "memmap",
    "nan_to_num", "partition", "place", "put", "putmask", "random", "resize", "save", "savetxt", "savez", "seterr",
    "setflags", "sort", "tofile",
}  # fmt: skip
_KEYWORDS = {"out", "copy"}
# What NumPy makes one number of many with, unless it is told an axis: of all points, where there are many. In a branch,
# `if np.min(y) < 1`, only the points beside it would tell.
_OF_ALL_POINTS = {
    "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "array_equal", "average", "count_nonzero", "max",
    "mean", "median", "min", "nanmax", "nanmean", "nanmin", "nansum", "norm", "prod", "ptp", "std", "sum", "var",
}  # fmt: skip
# Functions that call functions, at most. Not tuned.
_DEPTH = 3


def is_pure(fun: Any, args: tuple[Any, ...] = (), depth: int = _DEPTH) -> bool:
    """Whether `fun` is arithmetic, NumPy and `math` alone, with constants that nothing can change, and for one point.

    A cautious look at its code: anything unknown says no. A function that notes its calls in a list, draws, prints or
    has a state of its own must see what `scipy.integrate.solve_ivp` promises, one t and one y.
    """
    if not isinstance(fun, FunctionType) or depth == 0:
        return False
    names, writes, quiet = _in_code(fun.__code__)
    if not quiet:
        return False
    constants = [*args, *(fun.__defaults__ or ()), *(fun.__kwdefaults__ or {}).values()]
    try:
        constants += [cell.cell_contents for cell in fun.__closure__ or ()]
    except ValueError:  # not assigned yet
        return False
    for name in names:
        if name in fun.__globals__:
            constants.append(fun.__globals__[name])
        elif hasattr(builtins, name):
            if name not in _BUILTINS:
                return False
        elif name in _NOT_OF_NUMPY or not (hasattr(np, name) or hasattr(np.ndarray, name) or name in OF_MATH):
            return False
    if writes and any(isinstance(value, np.ndarray) for value in constants):
        return False
    return all(_is_constant(value, depth) for value in constants)


@functools.lru_cache(maxsize=256)
def _in_code(code: CodeType) -> tuple[tuple[str, ...], bool, bool]:
    """The names in a function's code, whether it writes to parts of arrays, and whether it is one of a point, without
    traces.

    Kept for the functions that were seen last: looking takes as long as a few windows.
    """
    instructions = list(dis.get_instructions(code))
    operations = {instruction.opname for instruction in instructions}
    writes = "STORE_SUBSCR" in operations or any(each.argrepr.endswith("=") for each in instructions)  # a[0] = , a +=
    keywords = {name for names in code.co_consts if isinstance(names, tuple) for name in names if isinstance(name, str)}
    attributes = {each.argval for each in instructions if each.opname in ("LOAD_ATTR", "LOAD_METHOD")}
    of_all = bool(attributes & _OF_ALL_POINTS) and "axis" not in keywords
    return code.co_names, writes, not (operations & _LEAVES_TRACES or keywords & _KEYWORDS or of_all)


def _is_constant(value: Any, depth: int) -> bool:
    if isinstance(value, (int, float, complex, np.generic, np.ndarray, np.ufunc)):
        return True
    if isinstance(value, tuple):
        return all(_is_constant(part, depth) for part in value)
    if isinstance(value, ModuleType):
        return value is np or value is math
    if isinstance(value, BuiltinFunctionType):
        return value.__module__ == "math" and value.__name__ in OF_MATH
    return is_pure(value, depth=depth - 1)
