"""Names for the arrays that functions take and return; shapes stand in the docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Flags", "Index", "Number", "Real"]

Real = NDArray[np.float64]
Number = NDArray[Any]  # float64, or complex128 where a problem is complex
Index = NDArray[np.int64]
Flags = NDArray[np.bool_]
