"""Short tables for notebooks."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

__all__ = ["table"]


def table(caption: str, rows: Mapping[str, Any]) -> str:
    """A table of two columns, names and values."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th><td style='text-align:left'>{html.escape(str(value))}"
        "</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{html.escape(caption)}</caption>{cells}</table>"
