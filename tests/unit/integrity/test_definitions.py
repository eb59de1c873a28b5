"""Which statements bring definitions back, and of what none are made."""

from __future__ import annotations

from ringfence.integrity.definitions import mending

TABLES = {"public.t": {"relkind": "r"}, "public.u": {"relkind": "r"}}


def state(**kinds):
    return {"relation": TABLES | kinds.pop("relation", {}), **{k.replace("_", "-"): v for k, v in kinds.items()}}


def test_nothing_for_what_is_equal_or_no_text_is_kept_of():
    same = state(function={"public.f()": {"definition": "CREATE OR REPLACE FUNCTION …", "owner": "o"}})
    assert mending(same, same) == ()
    aggregate = state(function={"public.a(integer)": {"prokind": "a", "owner": "o"}})
    assert mending(aggregate, state()) == ()
    assert mending({"trigger": {"": {"unknown": "denied"}}}, {"trigger": {"": {"unknown": "denied"}}}) == ()


def test_parts_come_with_what_they_are_a_part_of():
    for attributes in ({"extension": "x"}, {"from_parent": True}):
        assert mending(state(trigger={"public.t.g": {"definition": "CREATE TRIGGER g", **attributes}}), state()) == ()
    lost = state(trigger={"public.gone.g": {"definition": "CREATE TRIGGER g"}})
    assert mending(lost, state()) == (), "its table is gone, and restore has both"
    pair = state(
        constraint={"public.t.k": {"contype": "u", "definition": "UNIQUE (a)"}},
        index={"public.k": {"table": "public.t", "definition": "CREATE UNIQUE INDEX k ON public.t USING btree (a)"}},
    )
    assert mending(pair, state(constraint={}, index={})) == ("ALTER TABLE public.t ADD CONSTRAINT k UNIQUE (a)",)


def test_what_goes_goes_first_and_keys_come_before_what_refers_to_them():
    before = state(
        constraint={
            "public.t.a_fk": {"contype": "f", "definition": "FOREIGN KEY (u) REFERENCES public.u(id)"},
            "public.u.z_pk": {"contype": "p", "definition": "PRIMARY KEY (id)"},
        }
    )
    after = state(constraint={}, trigger={'public.t."a b"': {"definition": "CREATE TRIGGER"}})
    assert mending(before, after) == (
        'DROP TRIGGER "a b" ON public.t',
        "ALTER TABLE public.u ADD CONSTRAINT z_pk PRIMARY KEY (id)",
        "ALTER TABLE public.t ADD CONSTRAINT a_fk FOREIGN KEY (u) REFERENCES public.u(id)",
    )


def test_a_trigger_that_was_switched_off_is_switched_on_as_it_was():
    was = {"public.t.g": {"definition": "CREATE TRIGGER g", "tgenabled": "A"}}
    off = {"public.t.g": {"definition": "CREATE TRIGGER g", "tgenabled": "D"}}
    assert mending(state(trigger=was), state(trigger=off)) == ("ALTER TABLE public.t ENABLE ALWAYS TRIGGER g",)
