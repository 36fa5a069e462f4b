"""Adds ``pytest --benchmark`` and ``pytest --benchmark-full``: the benchmark suite in bench/ instead of the tests.

The first shows every claim of the README in a few minutes; the second adds the long tables, which are marked `full`.
"""

import pytest

_SUITE = "bench"
_LONGEST = ("test_launch.py", "test_quick.py", "test_fused.py")  # begun last, one process would wait for the other


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--benchmark", action="store_true", help="run the short benchmark suite instead of the tests")
    parser.addoption("--benchmark-full", action="store_true", help="run all benchmarks instead of the tests")


def _asked(config: pytest.Config) -> bool:
    return config.getoption("--benchmark") or config.getoption("--benchmark-full")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: a long table of the benchmark suite, for --benchmark-full only")
    if not _asked(config):
        return
    if config.args_source != pytest.Config.ArgsSource.ARGS:
        config.args[:] = [str(config.rootpath / _SUITE)]
    for option, value in {
        "benchmark_group_by": "group",
        "benchmark_columns": ["min", "median", "iqr", "rounds"],
        "benchmark_sort": "name",
        "benchmark_max_time": 0.5,
        "benchmark_warmup": True,
    }.items():
        setattr(config.option, option, value)
    config.option.timeout = 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not _asked(config):
        items[:] = [item for item in items if config.rootpath / _SUITE not in item.path.parents]
        items.sort(key=lambda item: item.path.name not in _LONGEST)
    elif not config.getoption("--benchmark-full"):
        items[:] = [item for item in items if item.get_closest_marker("full") is None]
