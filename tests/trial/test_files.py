"""Files of whole results: the same bits back, without pickles, and what other files get."""

import io
import json
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import OptimizeResult

import sigmode as sm
from sigmode.ivp.sensitivity import SensitivitySolution
from sigmode.problems import LAGARIS_4


def circle(t, y):
    return np.array([y[1], -y[0]])


def bvp(x, y):
    return np.array([y[1], -y[0]])


# Of NIST's BoxBOD.
BOX = np.array([1.0, 2, 3, 5, 7, 10]), np.array([109.0, 149, 149, 191, 213, 224])


def ends(a, b):
    return np.array([a[0], b[0] - 1.0])


RESULTS = {
    "march": lambda: sm.solve_ivp(
        circle, (0, 5), [0.0, 1.0], rtol=1e-9, atol=1e-9, events=[lambda t, y: y[0], lambda t, y: 1.0]
    ),
    "extended": lambda: sm.solve_ivp(circle, (5, 2), [0.0, 1.0]).extend(0),
    "complex": lambda: sm.solve_ivp(lambda t, y: 1j * y, (0, 5), [1.0 + 0j], t_eval=[1.0, 2.0]),
    "failed": lambda: sm.solve_ivp(lambda t, y: y**2, (0, 2), [1.0]),
    "no span": lambda: sm.solve_ivp(circle, (2, 2), [0.0, 1.0]),
    "boundary values": lambda: sm.solve_bvp(bvp, ends, [0, 0.5, 1], np.zeros((2, 3))),
    "with parameters": lambda: sm.solve_bvp(
        lambda x, y, p: np.array([y[1], -(p[0] ** 2) * y[0]]),
        lambda a, b, p: np.array([a[0], b[0], a[1] - p[0]]),
        np.linspace(0, 1, 5), np.array([[0, 1, 0, -1, 0], [1, 0, -1, 0, 1.0]]), p=[6.0],
    ),
    "trained": lambda: sm.train(sm.Collocation(LAGARIS_4.fun, LAGARIS_4.span, LAGARIS_4.y0)),
    "trained, second order": lambda: sm.train(
        sm.Collocation(lambda x, y, dy: -y, (0, 2), ([0.0], [1.0]), order=2, conditions="two-point")
    ),
    "assessed": lambda: (lambda col: sm.assess(col, col.initial()))(sm.Collocation(lambda x, y: -y, (0, 1), [1.0])),
    "ensemble": lambda: sm.solve_ensemble(circle, (0, 2), np.ones((3, 2)), t_eval=[1.0, 2.0], dense_output=True),
    "outputs": lambda: sm.solve_ensemble(circle, (0, 2), np.ones((3, 2)), t_eval=[1.0, 2.0], output=lambda t, y: y[0]),
    "fit": lambda: sm.fit_ivp(lambda t, y, a, b: b * (a - y), *BOX, [100, 0.75], [0.0], t0=0.0),
    "fit of experiments": lambda: sm.fit_ivp(
        lambda t, y, a, b: b * (a - y), [BOX[0]] * 2, [BOX[1]] * 2, {"a": 100, "b": 0.75}, [np.nan], local="a",
        scale="log",
    ),
    "undetermined fit": lambda: sm.fit_ivp(lambda t, y, a, b: a * b * (200 - y), *BOX, [1, 0.75], [0.0], t0=0.0),
    "failed fit": lambda: sm.fit_ivp(lambda t, y, a: np.nan * y, *BOX, [5.0], [1.0], t0=0.0),
    "derivatives": lambda: sm.sensitivity(lambda t, y, k: -k * y, (0, 2), [3.0], args=(0.5,)),
}  # fmt: skip


def assert_same(one, other):
    """The same type, the same bits."""
    assert type(one) is type(other)
    if isinstance(one, sm.Solution):
        assert one.network == other.network
        assert one.form == other.form
        assert one.extrapolate == other.extrapolate
        for name in ("x", "y", "theta", "h", "second", "error_x", "error_y"):
            assert_same(getattr(one, name), getattr(other, name))
        x = np.linspace(*one.span, 101)
        assert_array_equal(one(x), other(x))
        assert_array_equal(one.error(x), other.error(x))
    elif isinstance(one, SensitivitySolution):
        assert_same(one.y, other.y)
        assert_same(one.derivatives, other.derivatives)
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    else:
        assert one == other or (one != one and other != other)


@pytest.mark.parametrize("kind", RESULTS)
def test_the_same_bits_back(kind, tmp_path):
    res = RESULTS[kind]()
    path = tmp_path / "any name"
    res.save(path)
    back = sm.load(str(path))
    assert isinstance(back, OptimizeResult)
    assert "save" in dir(back)
    assert_same({key: value for key, value in res.items() if key != "col"}, dict(back))
    assert type(back) is type(res)
    back.save(tmp_path / "again")
    assert_same(dict(sm.load(tmp_path / "again")), dict(back))


def test_a_solution_is_loaded_as_one(tmp_path):
    sol = RESULTS["march"]().sol
    sol.save(tmp_path / "sol")
    assert_same(sm.load(tmp_path / "sol"), sol)
    RESULTS["march"]().save(tmp_path / "res")
    with pytest.raises(ValueError, match=r"`path` must name a file written by Solution\.save"):
        sm.Solution.load(tmp_path / "res")


def test_a_trained_solution_draws_itself_without_its_equation(tmp_path):
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    from matplotlib import pyplot

    RESULTS["trained"]().save(tmp_path / "res")
    back = sm.load(tmp_path / "res")
    _, below = back.plot()
    assert [line.get_label() for line in below.lines] == ["estimated error", "_estimated error"]
    pyplot.close("all")


def test_other_programs_can_read_it(tmp_path):
    """As docs/files.md describes it: arrays under their own names, the rest as JSON."""
    res = RESULTS["march"]()
    res.save(tmp_path / "res.npz")
    with np.load(tmp_path / "res.npz", allow_pickle=False) as file:
        assert_array_equal(file["t"], res.t)
        assert_array_equal(file["error"], res.error)
        assert_array_equal(file["t_events.0"], res.t_events[0])
        assert_array_equal(file["sol.x"], res.sol.x)
        assert_array_equal(file["sol.error_y"], res.sol.error_y)
        layout = json.loads(str(file["layout.json"]))
    assert (layout["kind"], layout["version"]) == ("solve_ivp", 1)
    assert layout["fields"]["t"] == {"array": "t"}
    assert layout["fields"]["sol"] == {"solution": "sol"}
    assert layout["fields"]["t_events"] == [{"array": "t_events.0"}, {"array": "t_events.1"}]
    assert layout["fields"]["message"] == res.message
    assert layout["fields"]["success"] is True
    res.save(tmp_path / "second.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["res.npz", "second.npz"]


def test_fields_of_ones_own(tmp_path):
    res = RESULTS["march"]()
    res.file, res.note, res.pair, res.nested = (
        np.arange(3),
        "ä\0b ",
        (1, None, np.float32(2.5)),
        {"a": [True, np.inf, 1e-310]},
    )
    res.strings, res.empty = np.array(["a", "bc"]), np.empty((0, 2))
    res.save(tmp_path / "res")
    assert_same(dict(sm.load(tmp_path / "res")), dict(res))
    assert_same(sm.load(tmp_path / "res").nested, res.nested)


@pytest.mark.parametrize("value", [circle, object(), np.array([None]), {1: 2}, {"a": {3}}])
def test_what_a_file_cannot_hold(value, tmp_path):
    res = RESULTS["march"]()
    res.own = value
    with pytest.raises(TypeError, match=r"`own(\.a)?` is a \w+, which a file cannot hold"):
        res.save(tmp_path / "res")
    assert not (tmp_path / "res").exists()


def test_other_files_are_refused(tmp_path):
    RESULTS["march"]().save(tmp_path / "good")
    whole = (tmp_path / "good").read_bytes()
    with np.load(tmp_path / "good") as file:
        arrays = dict(file)
    layout = json.loads(str(arrays["layout.json"]))
    bad = {
        "text": b"hello", "empty": b"", "short": whole[: len(whole) // 2],
        "flipped": whole[:200] + bytes([whole[200] ^ 255]) + whole[201:],
    }  # fmt: skip
    changed = {
        "other": {"a": np.array(1)},
        "kind": {**arrays, "layout.json": np.array(json.dumps({**layout, "kind": "magic"}))},
        "no fields": {**arrays, "layout.json": np.array(json.dumps({"kind": "solve_ivp", "version": 1}))},
        "node": {**arrays, "layout.json": np.array(json.dumps({**layout, "fields": {"t": {"magic": "t"}}}))},
        "no JSON": {**arrays, "layout.json": np.array("{")}, "array": {**arrays, "layout.json": np.arange(3)},
        "gone": {key: value for key, value in arrays.items() if key != "t"},
        "narrow": {**arrays, "sol.theta": arrays["sol.theta"][:, :3]},
    }  # fmt: skip
    for name, content in changed.items():
        stream = io.BytesIO()
        np.savez(stream, **content)
        bad[name] = stream.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("readme.txt", "no arrays")
    bad["zip"] = stream.getvalue()
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="`path` must name a file written by `save`"):
            sm.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        sm.load(tmp_path / "missing")


def test_pickles_are_not_opened(tmp_path):
    stream = io.BytesIO()
    np.savez(stream, **{"layout.json": np.array([{"kind": "solve_ivp"}], dtype=object)})
    (tmp_path / "pickle").write_bytes(stream.getvalue())
    with pytest.raises(ValueError, match="`path` must name a file written by `save`"):
        sm.load(tmp_path / "pickle")


def test_a_later_version_is_named(tmp_path):
    np.savez(
        tmp_path / "later.npz", **{"layout.json": np.array(json.dumps({"kind": "new", "version": 2, "fields": {}}))}
    )
    with pytest.raises(ValueError, match="`path` names a file of a later version of sigmode"):
        sm.load(tmp_path / "later.npz")


def test_one_wrong_byte_is_found_or_does_not_matter(tmp_path):
    RESULTS["no span"]().save(tmp_path / "good")
    whole = (tmp_path / "good").read_bytes()
    good = dict(sm.load(tmp_path / "good"))
    for at in range(0, len(whole), 13):
        (tmp_path / "bad").write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        try:
            back = sm.load(tmp_path / "bad")
        except ValueError as error:
            assert "`path` must name" in str(error) or "later version" in str(error)  # noqa: PT017
        else:
            assert_same(dict(back), good)
