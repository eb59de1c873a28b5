"""The differences between two states: what is said, what goes without saying, what is unknown."""

from __future__ import annotations

import pytest

from ringfence.integrity.state_diff import diff_states, differing_attributes, excerpts, judge_sequence
from ringfence.integrity.state_rules import exists_on, kind_of, parent_of, tidy, unreadable, why_unreadable


def reasons(before, after):
    found = diff_states(before, after)
    assert found.unknown == ()
    return [d.reason for d in found.differences]


def value(last, *, called=True):
    return tidy({"last_value": last, "is_called": called})


def test_equal_states_have_no_differences():
    state = {"index": {"public.i": {"definition": "x"}}, "cluster-role": {"app": {"rolcanlogin": True}}}
    assert reasons(state, state) == []


def test_created_dropped_and_altered():
    before = {"index": {"public.a": {"definition": "CREATE INDEX a"}, "public.b": {"indisvalid": True}}}
    after = {"index": {"public.b": {}, "public.c": {"definition": "CREATE INDEX c"}}}
    found = diff_states(before, after)
    assert [(d.change.kind, d.change.object, d.change.before, d.change.after) for d in found.differences] == [
        ("schema", "index public.a", "CREATE INDEX a", None),
        ("schema", "index public.b", "valid: yes", "valid: no"),
        ("schema", "index public.c", None, "CREATE INDEX c"),
    ]
    assert [d.reason for d in found.differences] == [
        "index public.a dropped",
        "index public.b: valid was yes, now no",
        "index public.c created",
    ]


@pytest.mark.parametrize(
    "kind, name, before, after, expected",
    [
        (
            "cluster-role",
            "inventory_app",
            {"rolconnlimit": -1},
            {"rolconnlimit": -1, "rolcanlogin": True, "rolsuper": True},
            "role inventory_app: may now log in; is now a superuser",
        ),
        ("cluster-role", "a", {"password": "1"}, {"password": "2"}, "role a: password changed"),
        ("cluster-role", "a", {"password": "1"}, {}, "role a: password removed"),
        (
            "relation",
            "public.t",
            {"relkind": "r", "acl": ["a:SELECT by o", "o:SELECT by o"]},
            {"relkind": "r", "acl": ["a:DELETE by o", "o:SELECT by o"]},
            "table public.t: rights was a:SELECT by o, now a:DELETE by o",
        ),
        (
            "relation",
            "public.v",
            {"relkind": "v", "relpersistence": "p"},
            {"relkind": "v", "relpersistence": "u"},
            "view public.v: persistence was permanent, now unlogged",
        ),
        (
            "type",
            "public.mood",
            {"labels": ["sad", "happy"]},
            {"labels": ["happy", "sad"]},
            "type public.mood: labels was sad, happy, now happy, sad",
        ),
        (
            "trigger",
            "public.t.x",
            {"tgenabled": "O"},
            {"tgenabled": "D"},
            "trigger public.t.x: enabled was yes, now no",
        ),
        ("large-object", "42", {"digest": "1"}, {"digest": "2"}, "large object 42: content changed"),
        (
            "system",
            "pg_catalog.x",
            {"digest": "1"},
            {"digest": "2"},
            "built-in objects in pg_catalog.x: content changed",
        ),
    ],
)
def test_sentences(kind, name, before, after, expected):
    assert reasons({kind: {name: before}}, {kind: {name: after}}) == [expected]


def test_a_setting_is_not_created():
    name = "role app: search_path"
    before, after = {"cluster-role-setting": {}}, {"cluster-role-setting": {name: {"value": "evil"}}}
    assert reasons(before, after) == ["setting of role app: search_path: now value: evil"]
    assert reasons(after, before) == ["setting of role app: search_path: removed, was value: evil"]


def test_what_goes_with_a_dropped_table_is_not_listed_again():
    before = {
        "relation": {"public.t": {"relkind": "r"}, "public.u": {"relkind": "r"}},
        "column": {"public.t.id": {}, "public.u.id": {}, 'public."t.x".id': {}},
        "index": {"public.t_pkey": {"table": "public.t"}, "public.u_i": {"table": "public.u"}},
        "constraint": {"public.t.t_pkey": {}},
        "trigger": {"public.t.a": {}},
        "policy": {"public.t.p": {}},
        "rule": {"public.t.r": {}},
        "sequence": {"public.t_id_seq": {"owned_by": "public.t.id"}},
        "sequence-value": {"public.t_id_seq": value(7)},
    }
    after = {kind: {} for kind in before} | {
        "relation": {"public.u": {"relkind": "r"}},
        "column": {'public."t.x".id': {}},
    }
    assert reasons(before, after) == [
        "column public.u.id dropped",
        "index public.u_i dropped",
        "table public.t dropped",
    ]


def test_what_goes_with_an_extension_is_not_listed_again():
    before = {"extension": {"hstore": {}}, "function": {"public.h()": {"extension": "hstore"}, "public.f()": {}}}
    assert reasons(before, {"extension": {}, "function": {"public.f()": {}}}) == ["extension hstore dropped"]


def test_columns_that_only_moved_are_not_listed():
    before = {"column": {"public.t.a": {"position": 1}, "public.t.b": {"position": 2}, "public.t.c": {"position": 3}}}
    after = {"column": {"public.t.b": {"position": 1}, "public.t.c": {"position": 2, "attnotnull": True}}}
    assert reasons(before, after) == [
        "column public.t.a dropped",
        "column public.t.c: not null was no, now yes; position was 3, now 2",
    ]
    # Without a column that came or went a change of order is one.
    assert reasons({"column": {"public.t.a": {"position": 1}}}, {"column": {"public.t.a": {"position": 2}}}) != []


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_unreadable_or_missing_kind_is_unknown(side):
    whole = {"cluster-role": {"app": {}}, "index": {}}
    part = {"cluster-role": unreadable("permission denied for table pg_authid"), "index": {}}
    found = diff_states(part, whole) if side == "before" else diff_states(whole, part)
    where = "the baseline" if side == "before" else "the database now"
    assert found.differences == ()
    assert found.unknown == (f"role: unreadable in {where}: permission denied for table pg_authid",)
    found = diff_states({"index": {}}, whole) if side == "before" else diff_states(whole, {"index": {}})
    assert found.unknown == (f"role: not recorded in {where}",)


def test_unreadable_on_both_sides_is_unknown_too():
    part = {"cluster-role": unreadable("permission denied")}
    assert len(diff_states(part, part).unknown) == 1
    assert why_unreadable(part["cluster-role"]) == "permission denied"
    assert why_unreadable({"unknown": {"rolsuper": True}}) is None


def test_a_prepared_transaction_is_a_change_even_if_it_was_there_before():
    kind, there = "cluster-prepared-transaction", {"x\ny": {"owner": "app", "database": "d", "prepared": "2026"}}
    (found,) = diff_states({kind: there}, {kind: there}).differences
    assert (found.change.kind, found.change.allowed) == ("prepared-transaction", False)
    assert (
        found.reason
        == r"prepared transaction x\ny of app in database d can still be committed, and could at the baseline"
    )
    assert reasons({kind: there}, {kind: {}}) == [r"prepared transaction x\ny is gone: it was committed or rolled back"]


@pytest.mark.parametrize(
    "before, after, increment, allowed",
    [
        (value(5), value(6), 1, True),
        (value(5), value(1005), 1, True),
        (value(5), value(1006), 1, False),
        (value(5), value(4), 1, False),
        (value(1, called=False), value(1), 1, True),
        (value(1, called=False), value(1000), 1, True),
        (value(1, called=False), value(1001), 1, False),
        (value(1), value(1, called=False), 1, False),
        (value(1, called=False), value(9, called=False), 1, False),
        (value(105), value(110), 5, True),
        (value(105), value(107), 5, False),
        (value(500), value(498), -2, True),
        (value(500), value(502), -2, False),
        (value(500), value(499), -2, False),
        (value(5), value(6), 0, False),
    ],
)
def test_what_use_explains_of_a_sequence(before, after, increment, allowed):
    assert judge_sequence(before, after, increment=increment)[0] is allowed


def test_a_sequence_in_a_verdict():
    parameters = {"public.s": {"seqincrement": 5}}
    before = {"sequence": parameters, "sequence-value": {"public.s": value(100)}}
    after = {"sequence": parameters, "sequence-value": {"public.s": value(115)}}
    (found,) = diff_states(before, after).differences
    assert (found.change.kind, found.change.object, found.change.allowed) == ("sequence", "sequence public.s", True)
    assert found.reason == "sequence public.s advanced by 3 steps: was 100, now 115"
    (found,) = diff_states(after, before).differences
    assert (found.change.allowed, found.reason) == (False, "sequence public.s went back: was 115, now 100")


def test_long_definitions_show_the_part_that_differs():
    before, after = "x" * 300 + "RETURN OLD" + "y" * 300, "x" * 300 + "RETURN NEW" + "y" * 300
    one, other = excerpts(before, after)
    assert "RETURN OLD" in one and "RETURN NEW" in other
    assert one.startswith("…") and one.endswith("…") and max(len(one), len(other)) <= 122
    assert excerpts("short", "texts") == ("short", "texts")
    assert excerpts("a" * 200, "a" * 200 + "b" * 500)[1].startswith("…")


def test_nothing_forges_a_line_or_shows_a_password():
    before = {"function": {"public.f()": {"definition": "x"}}}
    after = {"function": {"public.f()": {"definition": "postgresql://a:geheim123@h/d\nVERIFY OK \x1b[2K"}}}
    (said,) = reasons(before, after)
    assert "geheim123" not in said and "\n" not in said and "\x1b" not in said
    assert reasons({"index": {}}, {"index": {"public.\nOK": {}}}) == [r"index public.\nOK created"]


def test_differing_attributes_are_sorted_by_their_label():
    found = differing_attributes({"rolsuper": True, "b": 1}, {"b": 2})
    assert [(d.label, d.before, d.after) for d in found] == [("b", "1", "2"), ("superuser", "yes", "no")]


def test_tidy_keeps_zero():
    given = {"a": None, "b": False, "c": "", "d": [], "e": {}, "f": 0, "g": True, "h": -1, "i": "x"}
    assert tidy(given) == {"f": 0, "g": True, "h": -1, "i": "x"}


@pytest.mark.parametrize(
    "name, expected",
    [
        ("public.t.a", "public.t"),
        ('public."t.x".a', 'public."t.x"'),
        ('"a""b.c"."d.e"."f.g"', '"a""b.c"."d.e"'),
        ("public.t", None),
        ("", None),
    ],
)
def test_parent_of(name, expected):
    assert parent_of(name) == expected


def test_kinds_know_their_major_and_heading():
    assert not exists_on("cluster-parameter-acl", 14) and exists_on("cluster-parameter-acl", 15)
    assert exists_on("relation", 14)
    assert kind_of("cluster-role").heading == "role"
    assert (kind_of("event-trigger").label, kind_of("event-trigger").heading) == ("event trigger", "schema")


def test_a_setting_of_the_tools_own_is_allowed_and_said_where_it_is_what_it_must_be():
    def state(value: str, running: str) -> dict[str, dict[str, dict[str, str]]]:
        lines = {"wal_keep": {"value": value}, "other": {"value": "1"}} if value else {"other": {"value": "1"}}
        return {"cluster-file-setting": lines, "cluster-server-setting": {"wal_keep": {"value": running, "unit": "MB"}}}

    own = {"wal_keep": "2GB"}
    upgraded = diff_states(state("", "0"), state("2GB", "2048"), own=own).differences
    assert len(upgraded) == 2 and all(d.change.allowed for d in upgraded)
    assert all("this version of ringfence" in d.reason for d in upgraded)
    for after, given in ((state("9GB", "9216"), own), (state("2GB", "2048"), {}), (state("", "7"), own)):
        found = diff_states(state("1GB", "1024"), after, own=given).differences
        assert found and not any(d.change.allowed for d in found)
