"""What travels in a dump, and how a copy that lacks something is described."""

from __future__ import annotations

from ringfence.integrity.state_rules import unreadable
from ringfence.integrity.travel import compare_restored, travelling

STATE = {
    "relation": {
        "public.t": {
            "relkind": "r",
            "owner": "a",
            "acl": ["a:SELECT by a"],
            "tablespace": "fast",
            "partition_key": "x",
        },
        "public.of_ext": {"relkind": "r", "extension": "ext"},
        "pg_catalog.planted": {"relkind": "r"},
    },
    "column": {
        "public.t.id": {"type": "integer", "default": "nextval('x')", "position": 3},
        'public.t."json"': {"type": "json"},
        "public.of_ext.id": {"type": "integer"},
    },
    "index": {
        "public.i": {"table": "public.t", "indisvalid": True, "definition": "x"},
        "public.broken": {"table": "public.t"},
        "public.on_partitions": {"table": "public.t", "partitioned": True},
        "public.of_ext_i": {"table": "public.of_ext", "indisvalid": True},
    },
    "constraint": {
        "public.t.c": {"contype": "c", "convalidated": True, "definition": "CHECK (a IN ('x'))"},
        "public.t.n": {"contype": "n"},
        "public.t.copy": {"contype": "f", "parent": "f"},
    },
    "trigger": {"public.t.g": {"tgenabled": "O"}, "public.t.clone": {"tgenabled": "O", "from_parent": True}},
    "sequence-value": {"public.s": {"last_value": 7, "is_called": True}},
    "system": {"pg_catalog.pg_proc": {"digest": "1"}},
    "system-acl": {},
    "language": {"sql": {"owner": "postgres"}},
    "cluster-role": {"a": {}},
}


def changed(kind, name, **attributes):
    objects = dict(STATE[kind])
    objects[name] = {**objects.get(name, {}), **attributes}
    return {**STATE, kind: objects}


def without(kind, name):
    return {**STATE, kind: {k: v for k, v in STATE[kind].items() if k != name}}


def test_what_travels():
    found = travelling(STATE)
    assert {kind: sorted(objects) for kind, objects in found.items()} == {
        "relation": ["public.t"],
        "column": ["public.t.id", "public.t.json"],
        "index": ["public.i", "public.on_partitions"],
        "constraint": ["public.t.c"],
        "trigger": ["public.t.g"],
        "sequence-value": ["public.s"],
    }
    assert found["relation"]["public.t"] == {"relkind": "r", "owner": "a", "acl": ["a:SELECT by a"]}
    assert found["column"]["public.t.id"] == {"type": "integer", "default": True}
    assert found["constraint"]["public.t.c"] == {"contype": "c", "convalidated": True}


def test_a_state_travels_to_itself():
    assert compare_restored(STATE, STATE, same_major=True) == ()
    assert compare_restored(STATE, STATE, same_major=False) == ()


def test_what_a_restore_may_change_is_no_difference():
    for copy in (
        changed("constraint", "public.t.c", definition="CHECK (((a)::text = ANY (...)))"),
        changed("column", "public.t.id", default="nextval('public.x')", position=1),
        changed("relation", "public.t", tablespace="slow"),
        changed("system", "pg_catalog.pg_proc", digest="2"),
        changed("cluster-role", "b"),
        without("index", "public.broken"),
        without("constraint", "public.t.n"),
        without("relation", "pg_catalog.planted"),
    ):
        assert compare_restored(STATE, copy, same_major=True) == ()


def test_what_a_restore_may_not_change():
    expected = {
        "missing index public.i": without("index", "public.i"),
        "unexpected table public.u": changed("relation", "public.u", relkind="r"),
        "missing constraint public.t.c": without("constraint", "public.t.c"),
        "column public.t.id: default is no, was yes": {
            **STATE,
            "column": {**STATE["column"], "public.t.id": {"type": "integer"}},
        },
        "column public.t.id: type is bigint, was integer": changed("column", "public.t.id", type="bigint"),
        "trigger public.t.g: enabled is no, was yes": changed("trigger", "public.t.g", tgenabled="D"),
        "sequence public.s: last value is 1, was 7": changed("sequence-value", "public.s", last_value=1),
        "table public.t: owner is b, was a": changed("relation", "public.t", owner="b"),
    }
    for sentence, copy in expected.items():
        assert compare_restored(STATE, copy, same_major=True) == (sentence,)


def test_across_majors_only_objects_types_and_values_count():
    assert compare_restored(STATE, changed("relation", "public.t", owner="b"), same_major=False) == ()
    assert compare_restored(STATE, changed("trigger", "public.t.g", tgenabled="D"), same_major=False) == ()
    quoted = {**STATE, "column": {**STATE["column"], "public.t.json": STATE["column"]['public.t."json"']}}
    del quoted["column"]['public.t."json"']
    assert compare_restored(STATE, quoted, same_major=False) == ()
    for copy in (
        without("index", "public.i"),
        changed("column", "public.t.id", type="bigint"),
        changed("sequence-value", "public.s", last_value=8),
    ):
        assert len(compare_restored(STATE, copy, same_major=False)) == 1


def test_without_ownership_owners_and_rights_do_not_count():
    copy = changed("relation", "public.t", owner="b", acl=["b:SELECT by b"])
    assert compare_restored(STATE, copy, same_major=True, ownership=False) == ()
    assert len(compare_restored(STATE, copy, same_major=True)) == 2


def test_what_could_not_be_read_is_named():
    copy = {**STATE, "index": unreadable("permission denied")}
    assert compare_restored(STATE, copy, same_major=True) == (
        "index: cannot be compared, unreadable in the copy: permission denied",
    )
