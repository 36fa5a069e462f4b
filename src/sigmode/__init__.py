"""Ordinary differential equations with neural trial solutions: exact gradients, compiled kernels, SciPy's manners."""

from . import reference
from .bvp import solve_bvp
from .collocation import Collocation
from .ivp import NeuralCollocation
from .solution import Solution
from .solve import solve_ivp
from .training import train

__all__ = ["Collocation", "NeuralCollocation", "Solution", "reference", "solve_bvp", "solve_ivp", "train"]
__version__ = "0.3.0"
