"""The shape of the house: imports go downward, one file talks to the compiler, public names are documented."""

import ast
import inspect
import pathlib
import tomllib

import pytest

import sigmode as sm

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "sigmode").glob("*.py"))
FLOORS = {
    "form": 0,
    "kernels": 0,
    "linear": 0,
    "points": 0,
    "problems": 0,
    "reference": 0,
    "rhs": 0,
    "boundary": 1,
    "defect": 1,
    "field": 1,
    "network": 1,
    "basis": 2,
    "solution": 2,
    "trial": 2,
    "chain": 3,
    "collocation": 3,
    "windows": 3,
    "global_error": 4,
    "ivp": 4,
    "newton": 4,
    "refinement": 4,
    "adaptive": 5,
    "solve": 5,
    "training": 5,
    "bvp": 6,
    "__init__": 7,
    "__main__": 8,
}


def imports(path):
    """Every imported module of a file; those of the package as ".name"."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level and not node.module:
                yield from ("." + alias.name for alias in node.names)
            else:
                yield "." * node.level + node.module


def test_every_room_stands_on_a_floor():
    assert {path.stem for path in SOURCES} == set(FLOORS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_imports_go_downward(path):
    for name in imports(path):
        if name.startswith("."):
            module = name.strip(".")
            assert FLOORS.get(module, FLOORS["__init__"]) < FLOORS[path.stem], name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_only_the_kernels_talk_to_numba_and_nobody_to_private_scipy(path):
    for name in imports(path):
        if name.split(".")[0] == "numba":
            assert path.stem == "kernels"
        if name.split(".")[0] == "scipy":
            assert not any(part.startswith("_") for part in name.split("."))


def public_callables():
    for name in sm.__all__:
        thing = getattr(sm, name)
        if inspect.ismodule(thing):
            yield from ((f"{name}.{inner}", getattr(thing, inner)) for inner in thing.__all__)
        else:
            yield name, thing


@pytest.mark.parametrize(("name", "thing"), [p for p in public_callables() if callable(p[1])], ids=lambda v: str(v))
def test_public_names_have_docstrings_and_examples(name, thing):
    assert thing.__doc__
    if inspect.isclass(thing) and not issubclass(thing, tuple):
        methods = [m for key, m in vars(thing).items() if not key.startswith("_") and callable(m)]
        assert all(m.__doc__ for m in methods)
        assert ">>> " in thing.__doc__


@pytest.mark.parametrize("thing", [sm.Collocation, sm.train, sm.Solution])
def test_every_argument_is_documented(thing):
    for argument in inspect.signature(thing).parameters:
        assert f"{argument} :" in thing.__doc__ or f"{argument}, " in thing.__doc__ or f", {argument}" in thing.__doc__


def test_the_version_is_said_once_more_and_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == sm.__version__
    assert sm.__version__ in (ROOT / "CHANGELOG.md").read_text()
