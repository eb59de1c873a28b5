"""Every question about what a server of some version can do is answered here."""

from __future__ import annotations

OLDEST_MAJOR = 14
NEWEST_MAJOR = 18


def major(server_version_num: int) -> int:
    """18 of 180004: ``server_version_num`` as the server gives it."""
    return server_version_num // 10000


def is_supported(server_version_num: int) -> bool:
    """Whether the tool was built for and tested on this major."""
    return OLDEST_MAJOR <= major(server_version_num) <= NEWEST_MAJOR


def has_builtin_locales(of_major: int) -> bool:
    """``--locale-provider=builtin``: C.UTF-8 that needs neither ICU nor the system's locales (17+; used from 18)."""
    return of_major >= 17


def has_locale_providers(of_major: int) -> bool:
    """``pg_database.datlocprovider`` and ``CREATE DATABASE … LOCALE_PROVIDER`` (15+)."""
    return of_major >= 15


def icu_locale_column(of_major: int) -> str | None:
    """``datlocale`` (17+) or ``daticulocale`` (15+): the column of ``pg_database`` with an ICU or builtin locale."""
    if of_major >= 17:
        return "datlocale"
    return "daticulocale" if of_major >= 15 else None


def has_create_database_strategy(of_major: int) -> bool:
    """``CREATE DATABASE … STRATEGY`` (15+)."""
    return of_major >= 15


def has_parameter_privileges(of_major: int) -> bool:
    """``GRANT … ON PARAMETER`` and ``pg_parameter_acl`` (15+)."""
    return of_major >= 15


def has_membership_options(of_major: int) -> bool:
    """INHERIT, SET and the grantor of a membership count (16+); a REVOKE must name the grantor."""
    return of_major >= 16


def has_walinspect(of_major: int) -> bool:
    """The extension pg_walinspect (15+)."""
    return of_major >= 15


def has_wal_block_info(of_major: int) -> bool:
    """``pg_get_wal_block_info``: one row for each block a WAL record names (16+); before, the blocks are a text."""
    return of_major >= 16


def has_flushed_messages(of_major: int) -> bool:
    """``pg_logical_emit_message(…, flush)``: a message is on disk without a transaction around it (17+)."""
    return of_major >= 17


def has_file_clones(of_major: int) -> bool:
    """``file_copy_method = clone`` (18+, where the system has it)."""
    return of_major >= 18


def has_system_user(of_major: int) -> bool:
    """``SYSTEM_USER``: the role or identity that a session was authenticated as (16+)."""
    return of_major >= 16
