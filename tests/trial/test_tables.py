"""Tables of pandas and datasets of xarray."""

import sys

import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

import sigmode as sm

T = [3.0, 0.0, 1.5, 7.0]


@pytest.fixture(scope="module")
def sol():
    return sm.solve_ivp(lambda t, y: [y[1], -y[0]], (0, 5), [0.0, 1.0]).sol


def test_a_dataframe(sol):
    table = sol.to_dataframe(T)
    assert isinstance(table, pd.DataFrame)
    assert table.index.name == "t"
    assert list(table.columns) == ["y0", "y1", "error0", "error1"]
    assert_array_equal(table.index, T)
    assert_array_equal(table[["y0", "y1"]].to_numpy().T, sol(T))
    assert_array_equal(table[["error0", "error1"]].to_numpy().T, sol.error(T))
    assert table.isna().all(axis=1).tolist() == [False, False, False, True]


def test_a_dataset(sol):
    data = sol.to_xarray(T)
    assert isinstance(data, xr.Dataset)
    assert dict(data.sizes) == {"component": 2, "t": 4}
    assert_array_equal(data.t, T)
    assert_array_equal(data.component, [0, 1])
    assert_array_equal(data.y, sol(T))
    assert_array_equal(data.error.sel(component=1), sol.error(T)[1])


def test_names(sol):
    table = sol.to_dataframe(T, names=["q", "p"])
    assert list(table.columns) == ["q", "p", "error_q", "error_p"]
    assert_array_equal(table["error_p"], sol.error(T)[1])
    assert_array_equal(sol.to_xarray(T, names=("q", "p")).y.sel(component="p"), sol(T)[1])


def test_one_time_and_none(sol):
    assert sol.to_dataframe(1.0).shape == (1, 4)
    assert sol.to_dataframe([]).shape == (0, 4)
    assert sol.to_xarray(1).y.shape == (2, 1)


def test_complex():
    sol = sm.solve_ivp(lambda t, y: 1j * y, (0, 5), [1.0 + 0j]).sol
    assert sol.to_dataframe([1.0])["y0"].dtype == complex
    assert sol.to_xarray([1.0]).y.dtype == complex


@pytest.mark.parametrize(("t", "names", "kind", "message"), [
    ([[1.0]], None, ValueError, "`t` must be 1-dimensional"), ("a", None, TypeError, "`t` must be real numbers"),
    (T, ["q"], ValueError, "`names` must be 2 different names"), (T, "qp", TypeError, "`names` must be a list of 2"),
    (T, ["q", "q"], ValueError, "`names` must be 2 different names"), (T, [1, 2], TypeError, "`names` must be a list"),
    (T, 3, TypeError, "`names` must be a list of 2 names, got 3"),
])  # fmt: skip
def test_bad_arguments(sol, t, names, kind, message):
    for make in (sol.to_dataframe, sol.to_xarray):
        with pytest.raises(kind, match=message):
            make(t, names)


def test_names_that_are_those_of_errors(sol):
    with pytest.raises(ValueError, match="`names` must differ"):
        sol.to_dataframe(T, ["q", "error_q"])


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_dataframe"), ("xarray", "to_xarray")])
def test_without_the_package_the_message_says_what_to_install(sol, monkeypatch, package, method):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"`{method}` needs {package}: pip install {package}"):
        getattr(sol, method)(T)
