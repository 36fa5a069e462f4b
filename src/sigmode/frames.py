"""The way to pandas and xarray, which are extras."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["pandas", "xarray"]


def pandas(asked_by: str) -> Any:
    """The package, or an ImportError that says what to install."""
    return _package("pandas", asked_by)


def xarray(asked_by: str) -> Any:
    """The package, or an ImportError that says what to install."""
    return _package("xarray", asked_by)


def _package(name: str, asked_by: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImportError(f"`{asked_by}` needs {name}: pip install {name}.") from None
