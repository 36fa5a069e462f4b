"""Functions that only compiled code calls, without machine code of their own.

Numba makes machine code of every function and of all that it calls, one by one. A helper is linked into its callers as
optimised code that is no machine code yet: its own would never run, and took a quarter of the time in which a first
solve is compiled (docs/decisions.md, "Kernels"). This goes behind Numba's public names, as none of them leads to its
libraries of compiled code. With a version of Numba that nobody has looked at, helpers are compiled as Numba does it:
slower, and the same code.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as llvm_ir
import numba
from numba.core import codegen, compiler

__all__ = ["OPTIONS"]

# The last version of Numba whose library of compiled code was looked at, and is as it is taken for here; the first one
# is the floor of pyproject.toml (docs/decisions.md, "Kernels").
_LAST_KNOWN = (0, 68)


class _Library(codegen.JITCodeLibrary):
    """Compiled code to be linked."""

    def _finalize_final_module(self) -> None:
        """In place of handing the optimised module to the engine, which makes machine code of all that it is given."""
        self._finalize_dynamic_globals()
        cells = self._codegen._create_empty_module(f"{self.name}.cells")
        for variable in self._final_module.global_variables:
            if variable.linkage == llvm.Linkage.common and not self._codegen._engine.is_symbol_defined(variable.name):
                _add_cell(cells, variable.name)
        self._codegen._engine.add_module(llvm.parse_assembly(str(cells)))
        self._finalized = True


def _add_cell(module: Any, name: str) -> None:
    """A global variable into which Numba writes where the constants of a function are, as soon as it is compiled."""
    cell = llvm_ir.GlobalVariable(module, llvm_ir.IntType(8).as_pointer(), name)
    cell.linkage = "common"
    cell.initializer = llvm_ir.Constant(cell.value_type, None)


class _Compiler(compiler.CompilerBase):
    """Numba's compiler, with a library of ours; it makes one itself where it finds none."""

    def define_pipelines(self) -> list[Any]:
        if self.state.library is None:
            self.state.library = _Library(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        return [compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)]


# For `numba.njit`.
OPTIONS: dict[str, Any] = {"pipeline_class": _Compiler} if numba.version_info.short <= _LAST_KNOWN else {}
