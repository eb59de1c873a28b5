"""Which repository an address means."""

from __future__ import annotations

import pytest

from ringfence.notify.model import repository_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("acme/shop", ("github.com", "acme", "shop")),
        ("acme/shop.git", ("github.com", "acme", "shop")),
        ("https://github.com/acme/shop", ("github.com", "acme", "shop")),
        ("https://github.com/acme/shop.git", ("github.com", "acme", "shop")),
        ("https://x-access-token:secret@github.com/acme/shop.git", ("github.com", "acme", "shop")),
        ("git@github.com:acme/shop.git", ("github.com", "acme", "shop")),
        ("ssh://git@github.example.com:2222/acme/shop.git", ("github.example.com", "acme", "shop")),
        ("github.com/acme/shop", ("github.com", "acme", "shop")),
        ("HTTPS://GitHub.com/acme/my.repo", ("github.com", "acme", "my.repo")),
    ],
)
def test_known_forms(text: str, found: tuple[str, str, str]) -> None:
    assert repository_of(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "/srv/git/shop.git",
        "../shop",
        "file:///srv/git/acme/shop.git",
        "https://github.com/acme",
        "https://github.com/acme/shop/issues/7",
        "",
        "a b/c",
        "acme/shop\nx",
    ],
)
def test_what_is_no_repository_on_github(text: str) -> None:
    assert repository_of(text) is None
