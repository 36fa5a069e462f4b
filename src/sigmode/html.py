"""What results show of themselves: short tables for notebooks, numbers of things."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

__all__ = ["counted", "table"]


def counted(number: int, thing: str) -> str:
    """As "1 window", "2 windows"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def table(caption: str, rows: Mapping[str, Any]) -> str:
    """A table of two columns, names and values."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th><td style='text-align:left'>{html.escape(str(value))}"
        "</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{html.escape(caption)}</caption>{cells}</table>"
