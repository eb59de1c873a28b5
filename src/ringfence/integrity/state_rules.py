"""What is known about the kinds of a state: their names for people, where each belongs, how attributes are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringfence.integrity.model import Attributes, OtherKind

UNREADABLE = ""
"""The name under which an unreadable kind says why. No object of any database has an empty name."""

CLUSTER = "cluster-"
SERVER_CONFIGURATION = frozenset({"cluster-file-setting", "cluster-hba", "cluster-ident"})
"""What only a superuser may read and no dump carries: the server's configuration files. An administrator of a database
on somebody else's server goes without; it is named wherever he could take it for compared."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How a kind of state is called in a sentence, and under which heading of the verdict it stands.

    A ``fact`` is something said about another object (a setting, a right, a comment): it is not created or dropped.
    """

    label: str
    heading: OtherKind
    fact: bool = False


KINDS: Mapping[str, Kind] = {
    "cluster-database": Kind(label="database", heading="setting"),
    "cluster-file-setting": Kind(label="setting in the configuration files", heading="setting", fact=True),
    "cluster-hba": Kind(label="client authentication", heading="setting", fact=True),
    "cluster-ident": Kind(label="user name mapping", heading="setting", fact=True),
    "cluster-server-setting": Kind(label="server setting", heading="setting", fact=True),
    "cluster-role-setting": Kind(label="setting of", heading="setting", fact=True),
    "cluster-replication-slot": Kind(label="replication slot", heading="setting"),
    "cluster-subscription": Kind(label="subscription", heading="setting"),
    "cluster-tablespace": Kind(label="tablespace", heading="setting"),
    "cluster-comment": Kind(label="comment on", heading="setting", fact=True),
    "cluster-security-label": Kind(label="security label of", heading="setting", fact=True),
    "cluster-role": Kind(label="role", heading="role"),
    "cluster-membership": Kind(label="membership", heading="role"),
    "cluster-parameter-acl": Kind(label="rights on parameter", heading="role", fact=True),
    "cluster-prepared-transaction": Kind(label="prepared transaction", heading="prepared-transaction"),
    "large-object": Kind(label="large object", heading="large-object"),
    "sequence": Kind(label="sequence", heading="sequence"),
    "sequence-value": Kind(label="sequence", heading="sequence"),
    "comment": Kind(label="comment on", heading="schema", fact=True),
    "default-privilege": Kind(label="default privileges of", heading="schema", fact=True),
    "relation": Kind(label="table", heading="schema"),
    "security-label": Kind(label="security label of", heading="schema", fact=True),
    "system": Kind(label="built-in objects in", heading="schema", fact=True),
    "system-acl": Kind(label="owner or rights of built-in", heading="schema", fact=True),
}
"""The kinds that are not simply called by their name and listed under ``schema``."""

_RELATION_LABELS = {"v": "view", "m": "materialized view", "f": "foreign table", "p": "partitioned table"}

_SINCE = {"cluster-parameter-acl": 15, "cluster-ident": 15, "publication-schema": 15}

LABELS: Mapping[str, str] = {
    "acl": "rights",
    "attcompression": "compression",
    "attfdwoptions": "foreign options",
    "attgenerated": "generated",
    "attidentity": "identity",
    "attnotnull": "not null",
    "attoptions": "options",
    "condeferrable": "deferrable",
    "conislocal": "of its own",
    "condeferred": "initially deferred",
    "conenforced": "enforced",
    "connoinherit": "not inherited",
    "contype": "type",
    "convalidated": "validated",
    "datallowconn": "accepts connections",
    "datconnlimit": "connection limit",
    "datistemplate": "template",
    "digest": "content",
    "ev_enabled": "enabled",
    "evtenabled": "enabled",
    "evtevent": "event",
    "evttags": "tags",
    "extversion": "version",
    "indisclustered": "clustered",
    "indislive": "live",
    "indisprimary": "primary key",
    "indisready": "ready",
    "indisreplident": "replica identity",
    "indisunique": "unique",
    "indisvalid": "valid",
    "lanpltrusted": "trusted",
    "polcmd": "command",
    "polpermissive": "permissive",
    "prokind": "kind",
    "proleakproof": "leakproof",
    "proparallel": "parallel",
    "prosecdef": "security definer",
    "provolatile": "volatility",
    "relforcerowsecurity": "forced row security",
    "relispartition": "partition",
    "relispopulated": "populated",
    "relkind": "kind",
    "reloptions": "options",
    "relpersistence": "persistence",
    "relreplident": "replica identity",
    "relrowsecurity": "row security",
    "rolbypassrls": "bypasses row security",
    "rolcanlogin": "login",
    "rolconnlimit": "connection limit",
    "rolcreatedb": "creates databases",
    "rolcreaterole": "creates roles",
    "rolinherit": "inherits",
    "rolreplication": "replication",
    "rolsuper": "superuser",
    "rolvaliduntil": "password valid until",
    "seqcache": "cache",
    "seqcycle": "cycle",
    "seqincrement": "increment",
    "seqmax": "maximum",
    "seqmin": "minimum",
    "seqstart": "start",
    "tgenabled": "enabled",
    "typdefault": "default",
    "typnotnull": "not null",
}
"""The catalog's column names in words; an attribute that is not here is shown by its own name."""

_FIRING = {"O": "yes", "D": "no", "R": "on replicas only", "A": "always"}
WORDS: Mapping[str, Mapping[str, str]] = {
    "attgenerated": {"s": "stored", "v": "virtual"},
    "attidentity": {"a": "always", "d": "by default"},
    "ev_enabled": _FIRING,
    "evtenabled": _FIRING,
    "relpersistence": {"p": "permanent", "u": "unlogged", "t": "temporary"},
    "persistence": {"p": "permanent", "u": "unlogged", "t": "temporary"},
    "relreplident": {"d": "primary key", "n": "nothing", "f": "full row", "i": "index"},
    "storage": {"p": "plain", "e": "external", "m": "main", "x": "extended"},
    "tgenabled": _FIRING,
}
"""What the catalog's one-letter values mean."""

PHRASES: Mapping[tuple[str, bool], str] = {
    ("rolsuper", True): "is now a superuser",
    ("rolsuper", False): "is no superuser any more",
    ("rolcanlogin", True): "may now log in",
    ("rolcanlogin", False): "may not log in any more",
    ("rolcreatedb", True): "may now create databases",
    ("rolcreatedb", False): "may not create databases any more",
    ("rolcreaterole", True): "may now create roles",
    ("rolcreaterole", False): "may not create roles any more",
    ("rolreplication", True): "may now replicate",
    ("rolreplication", False): "may not replicate any more",
    ("rolbypassrls", True): "now bypasses row security",
    ("rolbypassrls", False): "does not bypass row security any more",
}
"""What a flag that was set (True) or taken away (False) means for a role, as a person would say it."""

OPAQUE = frozenset({"connection", "digest", "password"})
"""Attributes of which only a digest is known: that they changed is all there is to say."""

_IDENTIFIER = r'(?:"(?:[^"]|"")*"|[^".]+)'
_PARENT = re.compile(rf"({_IDENTIFIER}\.{_IDENTIFIER})\.")


def exists_on(kind: str, major: int) -> bool:
    """Whether PostgreSQL of this major has such a thing."""
    return major >= _SINCE.get(kind, 0)


def unreadable(reason: str) -> Mapping[str, Attributes]:
    """The objects of a kind that could not be read."""
    return {UNREADABLE: {"unknown": reason}}


def why_unreadable(objects: Mapping[str, Attributes]) -> str | None:
    """Why a kind could not be read, or None for one that could."""
    return str(objects[UNREADABLE]["unknown"]) if UNREADABLE in objects else None


def tidy(attributes: Mapping[str, Any]) -> Attributes:
    """Without what is false, empty or null: absent means just that, and a manifest stays small. 0 is a value."""
    return {
        name: value
        for name, value in attributes.items()
        if value is not None and value is not False and value != "" and value != [] and value != {}
    }


def kind_of(kind: str) -> Kind:
    """Label and heading of any kind."""
    return KINDS.get(kind) or Kind(label=kind.replace("-", " "), heading="schema")


def describe(kind: str, name: str, attributes: Attributes) -> str:
    """``view public.film_list``, ``setting of role app: search_path``: an object for a sentence, not yet escaped."""
    label = kind_of(kind).label
    if kind == "relation":
        label = _RELATION_LABELS.get(str(attributes.get("relkind")), label)
    return f"{label} {name}"


def parent_of(name: str) -> str | None:
    """``public.film`` of ``public.film.title``, whatever dots stand inside quotes; None without a third part."""
    match = _PARENT.match(name)
    return match[1] if match else None
