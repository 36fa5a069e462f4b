"""The site's sources: every page is reached, every example has a title and says its error, foreign names exist."""

import ast
import importlib
import pathlib
import re
import sys
import tomllib
import xml.etree.ElementTree

import pytest

import sigmode as sm

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.stem for path in DOCS.glob("*.md"))
EXAMPLES = sorted(path for folder in ("examples", "course") for path in (DOCS / folder).rglob("*.py"))
TOCTREE = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)


def test_every_page_is_reached_from_the_front_page():
    reached, to_read = set(), ["index"]
    while to_read:
        page = to_read.pop()
        reached.add(page)
        for entries in TOCTREE.findall((DOCS / f"{page}.md").read_text()):
            names = [line for line in entries.split() if not line.startswith(":")]
            to_read += [name for name in names if name in PAGES and name not in reached]
    assert reached == set(PAGES)


def test_there_are_twenty_examples_and_five_parts_of_the_course():
    assert len(EXAMPLES) >= 25
    assert sum("course" in path.parts for path in EXAMPLES) == 5


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_a_title_a_text_a_picture_and_its_error(path):
    tree = ast.parse(path.read_text())
    title, line, *text = ast.get_docstring(tree).splitlines()
    assert set(line) == {"="}
    assert len(line) >= len(title)
    assert "".join(text).strip()
    calls = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert any(call.startswith("print(") and re.search("error|off|success", call) for call in calls)
    assert "plt.show()" in calls
    assert "title=" in path.read_text() or "set_title" in path.read_text()  # pictures are described by their titles


def test_the_api_page_has_every_public_name():
    page = (DOCS / "api.md").read_text()
    names = [*sm.__all__, *sm.reference.__all__, *sm.problems.__all__]
    silent = {"__version__", "problems", "reference", "FORMULAS", "Blocks"}
    assert [name for name in names if name not in silent and not re.search(rf"\b{name}\b", page)] == []


def test_foreign_names_exist():
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        projects = importlib.import_module("inventories").read(DOCS / "_ext" / "inventories.txt")
    finally:
        sys.path.pop(0)
    for _, names in projects.values():
        for _, name, page in names:
            assert page.endswith("#$")
            module, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(module or "builtins"), attribute)


def test_pictures_have_an_alternative_text():
    for path in DOCS.glob("*.md"):
        for alternative in re.findall(r"!\[(.*?)\]\(", path.read_text()):
            assert len(alternative.split()) >= 2, path
    chart = xml.etree.ElementTree.parse(DOCS / "_static" / "which.svg").getroot()
    assert [child.tag.rpartition("}")[2] for child in chart][:2] == ["title", "desc"]


@pytest.mark.parametrize("page", PAGES)
def test_links_of_pages_work_in_the_repository(page):
    """They are those of the site, too: `docs/_ext/polish.py` knows scripts of the gallery."""
    text = re.sub(r"```python.*?```|`[^`\n]+`", "", (DOCS / f"{page}.md").read_text(), flags=re.DOTALL)
    for target in re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", text):
        assert target.startswith("https://") or (DOCS / target.partition("#")[0]).exists(), target
    assert "{doc}" not in text


def test_messages_of_the_page_of_statuses_are_those_of_the_code():
    code = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code).replace("'", '"')
    rows = re.findall(r"^\| +-?\d \| (.*?) \|", (DOCS / "statuses.md").read_text(), re.MULTILINE)
    assert len(rows) > 30
    for row in rows:
        text = re.sub(r" \(of .*\)", "", row.replace("\\`", "`").replace("'", '"'))
        for part in re.split(r"\.\.\.|: | at x = ", text):
            assert part.strip(" ,") in code, row


def test_the_wheel_has_the_pages_that_its_sources_cite():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    taken = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    cited = {page for path in (ROOT / "src").rglob("*.py") for page in re.findall(r"docs/[\w-]+\.md", path.read_text())}
    assert cited <= set(taken)
    assert taken == {page: f"sigmode/{page}" for page in taken}


def test_the_citation_has_the_version():
    assert f"version: {sm.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).is_file(), target
