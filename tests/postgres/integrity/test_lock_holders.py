"""F29, F31: who keeps a table from being read is named: a session by its number, a prepared transaction by its gid."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
import pytest
from tests.postgres.conftest import Server

from ringfence.integrity import observe
from ringfence.postgres import connection as connections
from ringfence.postgres.connection import QueryError

pytestmark = pytest.mark.postgres


def test_the_one_in_the_way_is_named(servers: Mapping[int, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.PINNED_SETTINGS, "lock_timeout", "500ms")
    server = next(iter(servers.values()))
    with server.new_database() as target, psycopg.connect(target.conninfo(), autocommit=True) as session:
        session.execute("CREATE TABLE public.item (id int)")
        for end in ("ROLLBACK", "PREPARE TRANSACTION 'left by ''somebody'"):
            session.execute("BEGIN")
            session.execute("LOCK TABLE public.item")
            if end != "ROLLBACK":
                session.execute(end.encode())
            with pytest.raises(QueryError) as caught, observe.open_snapshot(target):
                raise AssertionError("not reached")
            said = caught.value.message
            if end == "ROLLBACK":
                assert f"item is locked by session {session.info.backend_pid} of role" in said
                session.execute("ROLLBACK")
            else:
                assert 'is locked by the prepared transaction "left by \'somebody"' in said
                assert "ROLLBACK PREPARED" in str(caught.value.hint)
                session.execute("ROLLBACK PREPARED 'left by ''somebody'")
        with observe.open_snapshot(target) as snapshot:
            assert [t.name.name for t in snapshot.tables] == ["item"]
