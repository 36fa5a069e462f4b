"""The shape of the house: rooms on floors, imports downward, one room that talks to the compiler, documented names.

``python tests/test_house.py`` prints the picture that stands in CONTRIBUTING.md, drawn from the imports.
"""

import ast
import functools
import inspect
import pathlib
import re
import textwrap
import tomllib

import pytest

import sigmode as sm

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "sigmode"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ENTRANCE = ("__init__", "__main__")  # files that may import everything
GROUND = "the ground"  # the other files beside the rooms


def room(path):
    """The folder of a file; files beside the folders are the ground, or the entrance."""
    inside = path.relative_to(PACKAGE)
    if len(inside.parts) > 1:
        return inside.parts[0]
    return "entrance" if inside.stem in ENTRANCE else GROUND


def imports(path):
    """Every imported module of a file; those of the package by their path in it, as ("trial", "basis")."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module
        elif isinstance(node, ast.ImportFrom):
            here = path.relative_to(PACKAGE).parts[: -node.level]
            parts = (*here, *(node.module or "").split(".")) if node.module else here
            for alias in node.names:
                deeper = PACKAGE.joinpath(*parts, alias.name)
                yield (*parts, alias.name) if deeper.is_dir() or deeper.with_suffix(".py").is_file() else parts


def target(module):
    """The file that a module of the package is."""
    path = PACKAGE.joinpath(*module)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def inner_imports():
    """(file, file that it imports) within the package."""
    return [(path, target(module)) for path in SOURCES for module in imports(path) if isinstance(module, tuple)]


def floors():
    """The floor of each room: above every room that it imports from. Fails where rooms go in a circle."""
    below = {room(path): set() for path in SOURCES}
    for importer, imported in inner_imports():
        if room(importer) != room(imported):
            below[room(importer)].add(room(imported))
    found = {}
    while below:
        free = sorted(name for name, others in below.items() if others <= set(found))
        assert free, f"a circle among {sorted(below)}"
        level = 1 + max(found.values(), default=-1)
        found |= dict.fromkeys(free, level)
        below = {name: others for name, others in below.items() if name not in free}
    return found


def picture():
    """The floors from the ground up, with the files of each room and what it imports from."""
    rows = []
    for name, level in floors().items():
        files = sorted(
            path for path in SOURCES if room(path) == name and not (path.stem == "__init__" and name in NAMES)
        )
        arrows = {room(b) for a, b in inner_imports() if room(a) == name and room(b) not in (name, GROUND)}
        job = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text())) if name in NAMES else None
        first = (job or "").splitlines()[0] if job else {"entrance": "Public names; the demonstration."}.get(name, "")
        rows.append(f"{level}  {name}{'  <- ' + ', '.join(sorted(arrows)) if arrows else ''}")
        rows += textwrap.wrap(first, 108, initial_indent=" " * 5, subsequent_indent=" " * 5)
        rows += textwrap.wrap(
            " ".join(path.name for path in files), 108, initial_indent=" " * 9, subsequent_indent=" " * 9
        )
    return textwrap.indent("\n".join(rows), "    ")


NAMES = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())


def test_rooms_stand_on_floors_without_circles():
    assert max(floors().values()) <= 6


@pytest.mark.parametrize(("one", "other"), [("trial", "user"), ("ivp", "bvp")])
def test_neighbours_do_not_know_each_other(one, other):
    assert not [pair for pair in inner_imports() if {room(path) for path in pair} == {one, other}]


def test_files_of_one_room_do_not_go_in_circles():
    below = {path: {b for a, b in inner_imports() if a == path and room(a) == room(b) and b != a} for path in SOURCES}
    while below:
        free = {path for path, others in below.items() if not others & set(below)}
        assert free, sorted(path.name for path in below)
        below = {path: others for path, others in below.items() if path not in free}


def test_the_picture_in_contributing_is_the_one_that_the_imports_draw():
    assert picture() in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_compiled_talks_to_numba_and_nobody_to_private_scipy(path):
    for name in imports(path):
        if isinstance(name, str) and name.split(".")[0] == "numba":
            assert room(path) == "compiled"
        if isinstance(name, str) and name.split(".")[0] == "scipy":
            assert not any(part.startswith("_") for part in name.split("."))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_have_one_job_and_functions_are_short(path):
    text = path.read_text()
    assert text.count("\n") <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert not body or body[-1].end_lineno - body[0].lineno < 60, node.name


def test_every_room_has_its_tests():
    for name in NAMES:
        assert list((ROOT / "tests" / name).glob("test_*.py")), name


EVIDENCE = re.compile("not tuned|bench/|docs/|Source:", re.IGNORECASE)


def tuning_constants(path):
    """(name, its paragraph down to it) of every number that a file calls by a name."""
    lines = path.read_text().split("\n")
    for node in ast.parse(path.read_text()).body:
        value = node.value if isinstance(node, ast.Assign) else None
        parts = value.elts if isinstance(value, ast.Tuple) else [value]
        is_number = lambda part: isinstance(part, ast.Constant) and type(part.value) in (int, float)
        if not all(is_number(p) or (isinstance(p, ast.BinOp) and any(map(is_number, ast.walk(p)))) for p in parts):
            continue
        first = node.lineno - 1
        while lines[first - 1]:
            first -= 1
        yield ast.unparse(node.targets[0]), " ".join(line.lstrip("# ") for line in lines[first : node.end_lineno])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_tuning_constant_says_what_chose_it(path):
    for name, comment in tuning_constants(path):
        if name.lstrip("(").startswith("_") and path.stem not in ("activations", "problems"):
            assert EVIDENCE.search(comment), f"{name}: {comment}"


def public_callables():
    for name in sm.__all__:
        thing = getattr(sm, name)
        if inspect.ismodule(thing):
            yield from ((f"{name}.{inner}", getattr(thing, inner)) for inner in thing.__all__)
        else:
            yield name, thing


PUBLIC = [pair for pair in public_callables() if callable(pair[1])]


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=[name for name, _ in PUBLIC])
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


def test_the_oldest_versions_that_are_tested_are_those_that_are_allowed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    floors = dict(line.split(">=") for line in project["dependencies"])
    pinned = [line.split("==") for line in (ROOT / "oldest.txt").read_text().splitlines() if "==" in line]
    assert {name: version.removesuffix(".0") for name, version in pinned} == floors


if __name__ == "__main__":
    print(picture())
