"""Ordinary differential equations with neural trial solutions: exact gradients, compiled kernels, SciPy's manners."""

from . import problems, reference
from .bvp.continue_bvp import continue_bvp
from .bvp.solve_bvp import solve_bvp
from .fit.fit_ivp import fit_ivp
from .ivp.method import NeuralCollocation
from .ivp.sensitivity import sensitivity
from .ivp.solve_ivp import solve_ivp
from .many.solve_ensemble import solve_ensemble
from .training.collocation import Collocation
from .training.train import assess, train
from .trial.result import load
from .trial.solution import Solution
from .version import __version__

__all__ = [
    "Collocation",
    "NeuralCollocation",
    "Solution",
    "__version__",
    "assess",
    "continue_bvp",
    "fit_ivp",
    "load",
    "problems",
    "reference",
    "sensitivity",
    "solve_bvp",
    "solve_ensemble",
    "solve_ivp",
    "train",
]
