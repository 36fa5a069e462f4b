"""What solvers return: SciPy's `OptimizeResult`, which can be written to a file and read back."""

from __future__ import annotations

import json
import os
from typing import Any, ClassVar
from zipfile import ZipFile

import numpy as np
from numpy.lib.format import write_array
from scipy.optimize import OptimizeResult

from .archive import RESULTS, read, written
from .files import WRONG, arguments_of, arrays_in
from .solution import Solution

__all__ = ["Result", "load"]

# The array of a file that says what its other arrays are, the version of that, and what the arrays of `aside` are
# called: no field has such a name.
_LAYOUT, _VERSION, _ASIDE = "layout.json", 1, "layout.aside"
# Methods of a solution, for who looks for them in a result.
_OF_SOLUTION = {
    "antiderivative", "compiled", "integrate", "maximum", "minimum", "plot", "roots", "to_dataframe", "to_ppoly",
    "to_xarray",
}  # fmt: skip


class Result(OptimizeResult):  # type: ignore[misc]  # SciPy has no types
    """A dictionary whose entries are attributes."""

    # What files call the class, fields that are made of functions, which no file holds, and what to do instead of
    # calling a method that results of other solvers have.
    _kind: ClassVar[str] = ""
    _not_stored: ClassVar[tuple[str, ...]] = ()
    _instead: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, kind: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if kind is not None:
            cls._kind = kind
            RESULTS[kind] = cls

    def __dir__(self) -> list[str]:
        return sorted({*self.keys(), *dir(type(self))})

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            remedy = self._instead.get(name)
            if remedy is None and name in _OF_SOLUTION and isinstance(self.get("sol"), Solution):
                remedy = f"the solution has it, call res.sol.{name}"
            what = f"A result of `{self._kind}` has no `{name}`{f': {remedy}' if remedy else ''}."
            raise AttributeError(what, name=name, obj=self) from None

    def _aside(self) -> dict[str, Any] | None:
        """What is no field, but goes into files, too: plain values, with which methods of a loaded result work."""
        return None

    def _take(self, aside: dict[str, Any]) -> None:
        """Have what `_aside` gave."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all fields, the solution with its error included, to one file in NumPy's ``.npz`` format.

        At exactly this path, without pickles; `sigmode.load` gives the same bits. Functions are left out: `fun` and
        others of the user's, and ``col`` of `train`. The layout is described in ``docs/files.md``.

        Raises
        ------
        TypeError
            Where a field that was added is no number, text, array, list, tuple or dict of such, or `Solution`.
        """
        arrays: dict[str, Any] = {}
        fields = {name: written(value, name, arrays) for name, value in self.items() if name not in self._not_stored}
        layout: dict[str, Any] = {"kind": self._kind, "version": _VERSION, "fields": fields}
        aside = self._aside()
        if aside is not None:
            layout["aside"] = written(aside, _ASIDE, arrays)
        with ZipFile(path, "w") as archive:  # as np.savez, which has names of its own
            for name, array in {_LAYOUT: np.array(json.dumps(layout)), **arrays}.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    write_array(file, array, allow_pickle=False)


def load(path: str | os.PathLike[str]) -> Any:
    """What ``res.save(path)`` or ``sol.save(path)`` wrote, to the same bits.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    res : result of any solver of this package, or Solution
        Of the same class, without functions: ``res.extend(t_end, fun=fun)`` needs `fun` again, and a fit predicts up to
        its last measurement.

    Raises
    ------
    ValueError
        If the file is something else, was damaged, or was written by a later version.

    Examples
    --------
    >>> import os, tempfile
    >>> import sigmode as sm
    >>> res = sm.solve_ivp(lambda t, y: -y, (0, 5), [1.0])
    >>> path = os.path.join(tempfile.mkdtemp(), "decay.npz")
    >>> res.save(path)
    >>> again = sm.load(path)
    >>> bool((again.y == res.y).all()), bool(again.sol(2.5) == res.sol(2.5)), again.message == res.message
    (True, True, True)
    """
    version = _VERSION
    try:
        arrays = arrays_in(path)
        if _LAYOUT not in arrays:
            return Solution(*arguments_of(arrays))
        layout = json.loads(str(arrays.pop(_LAYOUT)))
        version = int(layout["version"])
        res = RESULTS[layout["kind"]]({name: read(tree, arrays) for name, tree in layout["fields"].items()})
        if "aside" in layout:
            res._take(read(layout["aside"], arrays))
        return res
    except WRONG:
        if version > _VERSION:
            raise ValueError(f"`path` names a file of a later version of sigmode, got {path!r}.") from None
        raise ValueError(f"`path` must name a file written by `save`, {path!r} is none.") from None
