"""The demonstration and the table of formulas, as a user runs them."""

import pathlib
import subprocess
import sys

import pytest

from sigmode import __main__ as demo
from sigmode import reference

ROOT = pathlib.Path(__file__).parents[1]


def test_the_demonstration_prints_its_table_and_saves_its_picture(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "sigmode"],
        capture_output=True, text=True, cwd=tmp_path, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    rows = done.stdout.splitlines()[3 : 3 + len(demo.RUNS)]
    for row, (problem, method, n_hidden, _) in zip(rows, demo.RUNS, strict=True):
        assert row.startswith(problem.name)
        fields = row[28:].split()
        assert fields[:2] == [method, str(n_hidden)]
        error, estimate = float(fields[6]), float(fields[7])
        assert error <= (1e-9 if method == "auto" else 1e-5)
        assert estimate >= error / 10
    first = 5 + len(demo.RUNS)
    marched = done.stdout.splitlines()[first : first + len(demo.MARCHED)]
    for row, problem in zip(marched, demo.MARCHED, strict=True):
        assert row.startswith(problem.name)
        error, estimate = map(float, row.split()[-2:])
        assert error < 1e-10
        assert 0.1 < estimate / error < 10
    first += 2 + len(demo.MARCHED)
    between = done.stdout.splitlines()[first : first + len(demo.BETWEEN)]
    for row, problem in zip(between, demo.BETWEEN, strict=True):
        assert row.startswith(problem.name)
        error, estimate = map(float, row.split()[-2:])
        assert error < 1e-9
        assert 0.1 < estimate / error < 10
    first += 2 + len(demo.BETWEEN)
    fitted = [line.split() for line in done.stdout.splitlines()[first : first + 6]]
    assert [fields[0] for fields in fitted] == ["a", "b", "c", "d", "y0[0]", "y0[1]"]
    found = [float(fields[1]) for fields in fitted]
    assert found == pytest.approx([0.481, 0.0248, 0.926, 0.0275, 34.91, 3.862], rel=2e-3)  # Howard (2009)
    for picture in (demo.PICTURE, demo.PICTURE_OF_FIT):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def table():
    return list(demo.derivation())


def test_the_full_formula_alone_is_exact_and_reaches_the_smallest_loss(table):
    rows = {row.split()[0]: row.split() for row in table[2:]}
    assert set(rows) == set(reference.FORMULAS)
    full = rows.pop("full")
    assert float(full[1]) < 1e-14
    for row in rows.values():
        assert float(row[1]) > 1e-2
        assert float(row[3]) > 10 * float(full[3])


def test_the_documented_table_has_the_printed_errors(table):
    text = (ROOT / "docs" / "derivation.md").read_text()
    documented = {
        line.split()[0]: line.split()[1] for line in text.splitlines() if line.strip().startswith(reference.FORMULAS)
    }
    printed = {row.split()[0]: row.split()[1] for row in table[2:]}
    assert documented.keys() == printed.keys()
    for formula in reference.FORMULAS[1:]:
        assert documented[formula] == printed[formula]
