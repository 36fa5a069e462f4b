"""How kernels are compiled, kept on disk, and launched on several threads."""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import os
import pathlib
import threading
import time
import types
from collections.abc import Callable, Iterator
from typing import Any, Generic, ParamSpec, TypeVar

import numba
from numba import njit
from numba import types as numba_types
from numba.core import sigutils
from numba.extending import intrinsic, overload, register_jitable

from ..version import __version__
from . import linked

__all__ = [
    "CUBE",
    "ENTRIES",
    "INDICES",
    "MATRIX",
    "VECTOR",
    "Entry",
    "by_address",
    "entry",
    "fma",
    "for_users",
    "helper",
    "inlined",
    "plain_helper",
    "record",
    "sum_helper",
    "where_kept",
]

P = ParamSpec("P")
R = TypeVar("R")

# Elementwise code must keep its rounding (the exponential's reduction lives on it): contraction only.
# Sums over points may be reordered, or they would not be vectorised. Never nnan or ninf: NaN must stay NaN.
_EXACT: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy"}
_SUMS: dict[str, Any] = {"fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}

# What only compiled code calls; with wrappers for Python and C it would take an eighth longer to compile.
_BARE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **linked.OPTIONS}
helper = njit(**_BARE, **_EXACT)
# What is part of its callers wherever it is called: a call copies the description of every array.
inlined = njit(**_BARE, **_EXACT, forceinline=True)
sum_helper = njit(**_BARE, **_SUMS)
# What users get, to call it from their own compiled code or from Python.
for_users = njit(**_EXACT)
# What compiled code calls and Python, too, for which it stays the plain function that it is.
plain_helper = register_jitable(**_EXACT)

# Types in the signatures of entries.
VECTOR, MATRIX, CUBE, INDICES = "f8[::1]", "f8[:, ::1]", "f8[:, :, ::1]", "i8[::1]"


def record(of: type, *kinds: str) -> Any:
    """The type of a NamedTuple whose fields have these types, for the signature of an entry."""
    return numba_types.NamedTuple([_parsed(kind) for kind in kinds], of)


def _parsed(kind: Any) -> Any:
    """The type that Numba's notation means, or the type itself."""
    if not isinstance(kind, str):
        return kind
    (parsed,) = sigutils.normalize_signature(f"({kind},)")[0]
    return parsed


# Work below which one thread is faster than a parallel launch, in activations (`bench/test_kernels.py`, threshold).
PARALLEL_WORK = 16_000

# Seconds that serial runs large enough for several threads may take before the parallel variant is compiled, which
# takes 1 to 4 s: who needs it that long gets it, and nobody pays for it in a first solve. Not tuned. A variant that is
# on disk is used at once.
COMPILE_AFTER = 2.0


def fma(a: Any, b: Any, c: Any) -> Any:
    """a b + c with one rounding.

    LLVM fuses a product into a sum wherever it can. Where two products are added it has the choice which one to fuse,
    and a copy of the code compiled in this process and one from the disk cache were seen to choose differently: other
    bits for the same input. There the choice is made by hand.
    """
    return a * b + c


@intrinsic
def _fused(typingctx, a, b, c):
    double = numba_types.float64
    return double(double, double, double), lambda context, builder, signature, args: builder.fma(*args)


@overload(fma)
def _fma_compiled(a, b, c):
    return lambda a, b, c: _fused(a, b, c)  # type: ignore[call-arg]


# ---------------------------------------------------------------------------------------------------------
# Compilation and the disk cache.


def _digest() -> str:
    """A digest of every file of this folder: of what any kernel may have been compiled from.

    Numba's cache sees changes in the file of the entry alone. The version stands in for sources that cannot be read.
    """
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


# Of the sources as they are imported (1 ms): a file may have been edited by the time a kernel is compiled.
_SOURCES = _digest()


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Numba's compiler makes millions of objects: looking through them for garbage takes a tenth of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _name(function: Callable[..., Any], parallel: bool) -> str:
    return f"{function.__qualname__}_{'parallel' if parallel else 'serial'}"


def _compiled(function: Callable[..., Any], signature: Any, parallel: bool, **flags: bool) -> Callable[..., Any]:
    """Compile `function` for its one signature, or load it from the disk cache; flags : more of Numba's.

    Numba calls the cached file after ``__qualname__``: a copy under another name makes two variants of one function,
    and old files are never taken for new ones.

    Works without a cache where no folder for it can be written (numba: "no locator available"), where its files are
    broken (any exception of pickle), and says nothing: the price is one compilation.
    """
    if "get_thread_id" in function.__code__.co_names:
        numba.get_num_threads()  # makes the symbol known that machine code from the disk looks for
    copy = types.FunctionType(function.__code__, function.__globals__, function.__name__)
    copy.__qualname__ = f"{_name(function, parallel)}_{_SOURCES}"
    compile_it = functools.partial(njit, signature, parallel=parallel, no_cfunc_wrapper=True, **flags, **_EXACT)
    with _no_garbage_collection():
        try:
            kernel = compile_it(cache=True)(copy)
        except Exception:
            return compile_it()(copy)
    stats = getattr(kernel, "stats", None)  # none where compilation is disabled
    if stats is not None and stats.cache_misses:
        _remove_older(stats.cache_path, function, parallel)
    return kernel


def _files(folder: str | None, function: Callable[..., Any], parallel: bool) -> list[pathlib.Path]:
    """The cached files of one variant of `function`, of all generations."""
    if folder is None:  # nothing can be cached
        return []
    module = function.__module__.rpartition(".")[2]
    return list(pathlib.Path(folder).glob(f"{module}.{_name(function, parallel)}_*.nb?"))


def _remove_older(folder: str, function: Callable[..., Any], parallel: bool) -> None:
    """One generation of the cache is some megabytes, and nothing else would ever remove an old one."""
    try:
        for path in _files(folder, function, parallel):
            if f"_{_SOURCES}-" not in path.name:
                path.unlink(missing_ok=True)
    except OSError:  # not ours to delete
        pass


class Entry(Generic[P, R]):
    """A kernel that Python calls, compiled at its first call for the one signature that it has.

    One function is compiled twice where it is worth it: for one thread, where `prange` is `range`, and for several.
    """

    def __init__(self, function: Callable[P, R], signature: Any, **flags: bool) -> None:
        """flags : of Numba."""
        functools.update_wrapper(self, function)
        self.__name__ = function.__name__
        self._function, self.signature, self._flags = function, signature, flags
        self._spent = 0.0  # seconds that several threads might have shortened

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it on one thread."""
        try:
            return self.serial(*args, **kwargs)
        except SystemError as error:  # Numba's wrapper runs Python code, and goes on where that is interrupted
            cause: BaseException | None = error
            while isinstance(cause, SystemError):
                cause = cause.__cause__
            raise error if cause is None else cause from None

    @functools.cached_property
    def serial(self) -> Callable[..., R]:
        """The variant for one thread."""
        return _compiled(self._function, self.signature, False, **self._flags)

    @functools.cached_property
    def parallel(self) -> Callable[..., R]:
        """The variant for several threads; for functions with a `prange` only."""
        return _compiled(self._function, self.signature, True, **self._flags)

    @functools.cached_property
    def address(self) -> int:
        """Where the machine code of the variant for one thread is, for `by_address`."""
        overloads = getattr(self.serial, "overloads", None)
        if overloads is None:
            raise RuntimeError(
                "NUMBA_DISABLE_JIT=1 leaves no machine code, and only that solves initial value problems. Unset it:"
                " a function without @njit is called through Python anyway."
            )
        (compiled,) = overloads.values()
        found: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        return found

    @property
    def shared(self) -> bool:
        """Whether there is something to share out among threads."""
        return "prange" in self._function.__code__.co_names

    def compile(self) -> None:
        """Make all variants, or load them from disk."""
        self.serial  # noqa: B018
        if self.shared:
            self.parallel  # noqa: B018

    def launch(self, work: int, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it on several threads if that is worth it, else on one: the bits are the same.

        work : in units of one activation.
        """
        if work < PARALLEL_WORK or _forked or numba.get_num_threads() == 1 or not _launching.acquire(blocking=False):
            return self.serial(*args, **kwargs)
        try:
            start = time.perf_counter()
            if start < _crowd.until:
                return self.serial(*args, **kwargs)
            if not self._worth_compiling():
                self.serial  # noqa: B018  compiling it is not running it
                start = time.perf_counter()
                result = self.serial(*args, **kwargs)
                self._spent += time.perf_counter() - start
                return result
            run = self.parallel
            start = time.perf_counter()
            result = run(*args, **kwargs)
            _crowd.note(start, work)
            return result
        finally:
            _launching.release()

    def _worth_compiling(self) -> bool:
        """Whether the parallel variant is there, on disk, or would have been worth its compilation by now."""
        if "parallel" in self.__dict__ or self._spent >= COMPILE_AFTER:
            return True
        stats = getattr(self.serial, "stats", None)
        if stats is None or self._spent > 0.0:
            return False
        return any(f"_{_SOURCES}-" in path.name for path in _files(stats.cache_path, self._function, True))


# All entries of the modules imported so far.
ENTRIES: list[Entry[..., Any]] = []


def entry(
    signature: str | tuple[Any, ...], nogil: bool = False, result: str = "", python: bool = True
) -> Callable[[Callable[P, R]], Entry[P, R]]:
    """Make an entry of a function; `signature` in Numba's notation, or a tuple of types, records among them.

    nogil : whether other threads of Python may run meanwhile; result : the type of what is returned, beside a tuple of
    types, where the entry is to be called by its address; python : whether Python calls it at all: what many records
    and arrays are made of for it takes seconds to compile.
    """
    types_of: Any = signature if isinstance(signature, str) else tuple(map(_parsed, signature))
    if result:
        types_of = _parsed(result)(*types_of)

    def decorate(function: Callable[P, R]) -> Entry[P, R]:
        made = Entry(function, types_of, nogil=nogil, no_cpython_wrapper=not python)
        ENTRIES.append(made)
        return made

    return decorate


def where_kept() -> str:
    """A sentence about the folder of the compiled files."""
    stats = getattr(ENTRIES[0].serial, "stats", None) if ENTRIES else None
    folder = getattr(stats, "cache_path", None)
    return f"They are kept in {folder}." if folder else "No folder for them can be written: every process compiles."


def by_address(called: Entry[..., Any]) -> Any:
    """A function for compiled code that calls an entry: ``function(address, (argument, ...))``.

    Code that is linked is compiled once more; code that is called by its address is not.
    """
    kinds, result = sigutils.normalize_signature(called.signature)

    @intrinsic
    def call_entry(typingctx, address, arguments):
        def codegen(context, builder, signature, values):
            pointer = builder.inttoptr(values[0], context.call_conv.get_function_type(result, kinds).as_pointer())
            given = [
                context.cast(builder, builder.extract_value(values[1], i), own, kind)
                for i, (own, kind) in enumerate(zip(signature.args[1].types, kinds, strict=True))
            ]
            _, value = context.call_conv.call_function(builder, pointer, result, kinds, given)
            return value

        return result(numba_types.int64, arguments), codegen

    return call_entry


# ---------------------------------------------------------------------------------------------------------
# The guard around parallel launches.

# One parallel launch at a time: two Python threads inside numba's workqueue layer abort the process. Whoever
# finds the lock taken runs the serial variant, whose result has the same bits.
_launching = threading.Lock()
_forked = False


def _after_fork() -> None:
    """GNU OpenMP dies at the first parallel launch in a forked child: stay serial there."""
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# Beside another busy process (or OpenBLAS's idle threads, which spin for 25 ms) a parallel launch of 20 us may take
# 16 ms, until the operating system lets the second thread run. A launch far slower than one thread would have been
# is answered by serial calls for a while, longer each time it happens again (docs/decisions.md, "Kernels").
SLOW_LAUNCH = 1e-4, 2e-8  # seconds, and seconds per activation: ten times what one thread takes
_PAUSE = 0.1, 10.0  # seconds, first and longest; not tuned


class Crowd:
    """Whether threads are worth it at present; written under the launch lock only."""

    until = 0.0
    pause = _PAUSE[0]

    def note(self, start: float, work: int) -> None:
        """Look at how long a launch took that began at `start`."""
        now = time.perf_counter()
        if now - start > SLOW_LAUNCH[0] + SLOW_LAUNCH[1] * work:
            self.until = now + self.pause
            self.pause = min(2.0 * self.pause, _PAUSE[1])
        else:
            self.pause = _PAUSE[0]


_crowd = Crowd()
