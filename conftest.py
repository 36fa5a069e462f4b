"""Adds ``pytest --benchmark``: with it the benchmark suite in bench/ is run, without it the tests."""

import pytest

_SUITE = "bench"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--benchmark", action="store_true", help="run the benchmark suite in bench/ instead of the tests")


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--benchmark"):
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
    if not config.getoption("--benchmark"):
        items[:] = [item for item in items if config.rootpath / _SUITE not in item.path.parents]
