"""Solutions as named arrays, the contents of files (docs/files.md)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np

from .form import FORMS, VALUE, Form
from .network import Network
from .piecewise import Piecewise

__all__ = ["WRONG", "arguments_of", "arrays_in", "arrays_of"]

# What arrays raise that are not what was written.
WRONG = (KeyError, ValueError, IndexError, AttributeError, TypeError)

# Files call an activation by its place here, whatever number it has in compiled code: new ones go to the end.
_NUMBERS_IN_FILES = ("sigmoid", "tanh", "sin")


def arrays_in(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arrays of a file; ValueError where it is damaged or something else."""
    with open(path, "rb") as stream:
        try:
            with np.load(stream, allow_pickle=False) as file:
                return dict(file)
        except (*WRONG, EOFError, BadZipFile, RuntimeError, OSError) as error:  # all seen with one byte changed
            raise ValueError("no archive of arrays") from error


def arrays_of(sol: Piecewise) -> dict[str, Any]:
    """The arrays that a file holds, by their names."""
    net = sol.network
    data: dict[str, Any] = {"x": sol.x, "y": sol.y, "theta": sol.theta, "h": sol.h}
    if sol.shared:  # once is enough
        data["hidden"], data["theta"] = np.split(sol.theta, [2 * net.n_hidden], axis=1)
        data["hidden"] = data["hidden"][0]
    number = _NUMBERS_IN_FILES.index(net.activation)
    data["network"] = np.array([net.n, net.n_hidden, number, net.output_bias])
    if sol.extrapolate:
        data["extrapolate"] = np.array(True)
    if sol.error_x is not None and sol.error_y is not None:
        data["error_x"], data["error_y"] = sol.error_x, sol.error_y
    if sol.form != VALUE:
        data["form"], data["second"] = np.array(sol.form, dtype=int), sol.second
    return data


def arguments_of(data: Mapping[str, Any]) -> tuple[Any, ...]:
    """What `Solution` is made of, from such arrays; KeyError, ValueError or TypeError where they are something else."""
    n, n_hidden, number, bias = (int(v) for v in data["network"])
    network = Network(n, n_hidden, dict(enumerate(_NUMBERS_IN_FILES))[number], bool(bias))
    windows = len(data["x"]) - 1
    h = data.get("h", np.diff(data["x"]))  # version 0.1 wrote none
    theta = data["theta"]
    if "hidden" in data:
        theta = np.hstack([np.broadcast_to(data["hidden"], (windows, data["hidden"].size)), theta])
    form = _loaded_form(data.get("form", VALUE))
    second = data["second"] if "second" in data else data["y"]
    shapes = data["y"].shape, second.shape, theta.shape, h.shape
    if shapes != ((windows, n), (windows, n), (windows, network.n_theta), (windows,)):
        raise ValueError("the shapes do not fit")
    error = data.get("error_x"), data.get("error_y")
    return data["x"], data["y"], theta, network, *error, h, form, second, bool(data.get("extrapolate", False))


def _loaded_form(form: Any) -> Form:
    order, two_point = (int(v) for v in form)
    found = Form(order, bool(two_point))
    if found not in FORMS.values():
        raise ValueError("no such form")
    return found
