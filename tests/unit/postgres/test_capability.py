"""Every question about a version."""

from __future__ import annotations

import pytest

from ringfence.postgres import capability


@pytest.mark.parametrize(
    ("number", "major", "supported"),
    [(130022, 13, False), (140000, 14, True), (150018, 15, True), (180004, 18, True), (190000, 19, False)],
)
def test_majors(number: int, major: int, supported: bool) -> None:
    assert (capability.major(number), capability.is_supported(number)) == (major, supported)


@pytest.mark.parametrize(
    ("major", "builtin", "providers", "column", "strategy"),
    [
        (14, False, False, None, False),
        (15, False, True, "daticulocale", True),
        (16, False, True, "daticulocale", True),
        (17, True, True, "datlocale", True),
        (18, True, True, "datlocale", True),
    ],
)
def test_what_a_major_can_do(major: int, builtin: bool, providers: bool, column: str | None, strategy: bool) -> None:
    assert capability.has_builtin_locales(major) is builtin
    assert capability.has_locale_providers(major) is providers
    assert capability.icu_locale_column(major) == column
    assert capability.has_create_database_strategy(major) is strategy
