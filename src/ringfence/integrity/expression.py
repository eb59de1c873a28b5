"""The row hash as an SQL expression, generated from the catalog (pure).

A row is hashed by a chain: the 64-bit hash of each column is the seed of the next one's, so that the order of columns
counts and no two columns can trade places. PostgreSQL's own extended hash functions do the work where they are *exact*,
that is where two values that differ in any way a person could see hash differently. Several are not, because they have
to agree with ``=``, and were seen to miss changes:

- ``hashint8extended`` folds the two halves together: 1 and 4294967296 hash alike. So a bigint goes in whole, as a part
  of the seed. Timestamps use the same function: their high half is hashed apart, by `date_bin` of 2^32 microseconds,
  and their sign is mixed in.
- ``hash_numeric_extended`` knows neither sign nor scale: 5, -5 and 5.00 hash alike. Both are mixed into the seed.
- ``hashfloat8extended`` makes -0.0 and 0.0 equal: the sign of a zero is mixed in.
- ``hash_array_extended`` forgets its seed for an empty array and for NULL elements: it is never part of the chain, its
  result is mixed in. It does not see bounds; those that are not the usual ones are mixed in. It hashes the elements by
  the functions above, so only arrays of exact element types use it.
- ``jsonb_hash_extended`` has the faults of numeric. jsonb is hashed as text.

Every other type is hashed by the text its own output function gives, under pinned settings. NULL is a mark in the seed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from ringfence.integrity.model import Seeds

ALGORITHM = 1
"""Changes whenever the digest of the same rows would change; kept in every manifest."""

_NULL_MARK = 0x5DEECE66D1CE4E5B
_NEGATIVE_MARK = 0x2545F4914F6CDD1D
_SPECIAL_MARKS = (0x1B03738712FAD5C9, 0x369DEA0F31A53F85, 0x106689D45497FDB5)
TABLE = sql.Identifier("__ringfence")
"""The name under which a query that is built on `rows_of` sees the table's own columns."""
_EXACT_ELEMENTS = frozenset({"int2", "int4", "oid", "text", "varchar", "uuid", "bool", "date"})

Fragment = sql.SQL | sql.Composed | sql.Identifier


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as the expression needs it. ``type`` and ``element`` are None for types outside pg_catalog."""

    name: str
    type: str | None
    element: str | None
    typmod: int
    not_null: bool
    output_schema: str
    output_function: str


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """How one kind of value enters the chain.

    ``step`` gives the next chain value from the value and the chain so far; ``zero`` stands in for NULL; ``mark`` is
    what else about the value the hash function does not see, as an int8 to be mixed into the chain before it.
    """

    step: str
    zero: str
    mark: str | None = None
    mixes: bool = True


_KINDS: Mapping[str, _Kind] = {
    "int2": _Kind(step="pg_catalog.hashint2extended({v}, {p})", zero="0::pg_catalog.int2"),
    "int4": _Kind(step="pg_catalog.hashint4extended({v}, {p})", zero="0"),
    "oid": _Kind(step="pg_catalog.hashoidextended({v}, {p})", zero="0::pg_catalog.oid"),
    "bool": _Kind(step="pg_catalog.hashint4extended({v}::pg_catalog.int4, {p})", zero="false"),
    "int8": _Kind(step="pg_catalog.hashint4extended(1, {p} # {v})", zero="0::pg_catalog.int8"),
    "text": _Kind(step='pg_catalog.hashtextextended({v} COLLATE "C", {p})', zero="''::pg_catalog.text"),
    "bpchar": _Kind(step='pg_catalog.hashbpcharextended({v} COLLATE "C", {p})', zero="''::pg_catalog.bpchar"),
    "uuid": _Kind(
        step="pg_catalog.uuid_hash_extended({v}, {p})",
        zero="'00000000-0000-0000-0000-000000000000'::pg_catalog.uuid",
    ),
    "inet": _Kind(step="pg_catalog.hashinetextended({v}, {p})", zero="'0.0.0.0'::pg_catalog.inet"),
    "macaddr": _Kind(step="pg_catalog.hashmacaddrextended({v}, {p})", zero="'0:0:0:0:0:0'::pg_catalog.macaddr"),
    "date": _Kind(
        step="pg_catalog.hashint4extended(CASE WHEN {v} = 'infinity'::pg_catalog.date THEN 2147483647 "
        "WHEN {v} = '-infinity'::pg_catalog.date THEN (-2147483648) ELSE {v} - '2000-01-01'::pg_catalog.date END, {p})",
        zero="'2000-01-01'::pg_catalog.date",
    ),
    "timestamp": _Kind(
        # The greatest of both: rounding the first month that a timestamp can be in would leave their range.
        step="pg_catalog.timestamp_hash_extended({v}, pg_catalog.timestamp_hash_extended(pg_catalog.date_bin("
        "'4294.967296 s'::pg_catalog.interval, greatest({v}, '4713-01-01 BC'::pg_catalog.timestamp), "
        "'2000-01-01'::pg_catalog.timestamp), {p}))",
        zero="'2000-01-01'::pg_catalog.timestamp",
        # Halves of negative numbers (before 2000) are complemented before they are folded: without the sign a moment
        # and its mirror image would hash alike.
        mark="CASE WHEN {v} < '2000-01-01'::pg_catalog.timestamp THEN {neg} ELSE 0 END",
    ),
    "numeric": _Kind(
        step="pg_catalog.hash_numeric_extended({v}, {p})",
        zero="0::pg_catalog.numeric",
        mark="coalesce(CASE WHEN {v} < 0 THEN -1 - pg_catalog.scale({v}) ELSE pg_catalog.scale({v}) END"
        "::pg_catalog.int8, CASE WHEN {v} = 'NaN'::pg_catalog.numeric THEN {s0} WHEN {v} < 0 THEN {s1} ELSE {s2} END)",
        mixes=False,
    ),
    "numeric with scale": _Kind(
        step="pg_catalog.hash_numeric_extended({v}, {p})",
        zero="0::pg_catalog.numeric",
        mark="CASE WHEN {v} < 0 THEN {neg} ELSE 0 END",
        mixes=False,
    ),
    "float8": _Kind(
        step="pg_catalog.hashfloat8extended({v}, {p})",
        zero="0::pg_catalog.float8",
        mark="CASE WHEN {v} = 0 AND pg_catalog.atan2({v}, -1) < 0 THEN {neg} ELSE 0 END",
    ),
    "float4": _Kind(
        step="pg_catalog.hashfloat4extended({v}, {p})",
        zero="0::pg_catalog.float4",
        mark="CASE WHEN {v} = 0 AND pg_catalog.atan2({v}, -1) < 0 THEN {neg} ELSE 0 END",
    ),
    "bytea": _Kind(step="pg_catalog.hash_array_extended(ARRAY[{v}], {p})", zero="''::pg_catalog.bytea", mixes=False),
    "array": _Kind(
        step="pg_catalog.hashint4extended(CASE WHEN pg_catalog.array_ndims({v}) = 1 "
        "AND pg_catalog.array_lower({v}, 1) = 1 THEN 1 "
        'ELSE coalesce(pg_catalog.hashtext(pg_catalog.array_dims({v}) COLLATE "C"), 2) END, '
        "{p} # pg_catalog.hash_array_extended({v}{collate}, 8191))",
        zero="'{{}}'",
    ),
}
_ALIASES = {"varchar": "text", "cidr": "inet"}


@dataclass(frozen=True, kw_only=True)
class _Value:
    """A column's value as the chain takes it: its kind, how it is written, and what it must be computed from once."""

    kind: str
    fragment: Fragment
    not_null: bool
    computed: bool
    element: str | None = None


@dataclass(frozen=True, kw_only=True)
class RowHashes:
    """Two 64-bit hashes of a row as SQL expressions over what `rows_of` selects from."""

    first: sql.Composed
    second: sql.Composed
    made: sql.Composed | None
    """The select list of a subquery that makes costly values once for both hashes; None where none is costly."""


def row_hashes(columns: Sequence[Column], seeds: Seeds, *, only: Collection[str] | None = None) -> RowHashes:
    """The hashes of a row of ``columns`` in the given order, or of the columns in ``only`` of such a row."""
    values = [_value(c) for c in columns]
    made: sql.Composed | None = None
    if any(v.computed for v in values):
        names = [sql.Identifier(f"v{i}") for i in range(len(values))]
        made = sql.SQL(", ").join(sql.SQL("{} AS {}").format(v.fragment, n) for v, n in zip(values, names, strict=True))
        fragments: list[Fragment] = [sql.SQL("__made.{}").format(n) for n in names]
    else:
        fragments = [v.fragment for v in values]
    chosen = [(v, f) for c, v, f in zip(columns, values, fragments, strict=True) if only is None or c.name in only]
    return RowHashes(first=_chain(chosen, seeds.first), second=_chain(chosen, seeds.second), made=made)


def rows_of(
    schema: str,
    name: str,
    hashes: RowHashes,
    *,
    blocks: tuple[int, int | None] | None = None,
    where: sql.Composed | None = None,
    also: sql.Composed | None = None,
) -> sql.Composed:
    """What stands behind FROM: a table's own rows (ONLY), or a subquery over them in which every value that is costly
    to make (the text of a jsonb, an enum, a range …) is made once; ``OFFSET 0`` keeps the planner from making it twice.

    ``blocks`` limits it to rows in blocks from the first number up to, not including, the second (None: to the end),
    ``where`` to rows for which a condition on `TABLE` holds; ``also`` is what else such a subquery selects.
    """
    rows = sql.SQL("ONLY {} AS {}").format(sql.Identifier(schema, name), TABLE)
    conditions = [where] if where is not None else []
    if blocks is not None:
        conditions.append(sql.SQL("{}.ctid >= {}").format(TABLE, _tid(blocks[0])))
        if blocks[1] is not None:
            conditions.append(sql.SQL("{}.ctid < {}").format(TABLE, _tid(blocks[1])))
    if conditions:
        rows += sql.SQL(" WHERE ") + sql.SQL(" AND ").join(conditions)
    if hashes.made is None:
        return rows
    made = hashes.made if also is None else sql.SQL("{}, {}").format(hashes.made, also)
    return sql.SQL("(SELECT {} FROM {} OFFSET 0) AS __made").format(made, rows)


BlockRange = tuple[int, int, int | None]
"""The number of a range, its first block, and the block after its last (None: to the end of the table)."""

_LAST_BLOCK = 4294967295


def ranges_query(
    schema: str, name: str, columns: Sequence[Column], seeds: Seeds, chosen: Sequence[BlockRange]
) -> sql.Composed:
    """A query that gives number, count, first sum and second sum of each of some ranges of blocks, in one pass."""
    hashes = row_hashes(columns, seeds)
    within = sql.SQL("{t}.ctid >= __range.low AND {t}.ctid < __range.high").format(t=TABLE)
    rows = rows_of(schema, name, hashes, where=within)
    numbers, starts = [r[0] for r in chosen], [r[1] for r in chosen]
    ends = [_LAST_BLOCK if r[2] is None else r[2] for r in chosen]
    return sql.SQL(
        "SELECT __range.number, __sums.n, __sums.h1, __sums.h2 FROM ("
        "SELECT w.number, pg_catalog.format('(%s,0)', w.low)::pg_catalog.tid AS low, "
        "pg_catalog.format('(%s,0)', w.high)::pg_catalog.tid AS high "
        "FROM ROWS FROM (pg_catalog.unnest({}::pg_catalog.int8[]), pg_catalog.unnest({}::pg_catalog.int8[]), "
        "pg_catalog.unnest({}::pg_catalog.int8[])) AS w (number, low, high)) AS __range, "
        "LATERAL (SELECT pg_catalog.count(*) AS n, coalesce(pg_catalog.sum({}), 0) AS h1, "
        "coalesce(pg_catalog.sum({}), 0) AS h2 FROM {}) AS __sums"
    ).format(sql.Literal(numbers), sql.Literal(starts), sql.Literal(ends), hashes.first, hashes.second, rows)


def digest_query(
    schema: str, name: str, columns: Sequence[Column], seeds: Seeds, *, blocks: tuple[int, int | None] | None
) -> sql.Composed:
    """A query that gives count, first sum and second sum over a table's own rows, or over those of some blocks."""
    hashes = row_hashes(columns, seeds)
    return sql.SQL(
        "SELECT pg_catalog.count(*), coalesce(pg_catalog.sum({}), 0), coalesce(pg_catalog.sum({}), 0) FROM {}"
    ).format(hashes.first, hashes.second, rows_of(schema, name, hashes, blocks=blocks))


def _tid(block: int) -> sql.Composed:
    return sql.SQL("{}::pg_catalog.tid").format(sql.Literal(f"({block},0)"))


def _value(column: Column) -> _Value:
    reference = sql.SQL("{}.{}").format(TABLE, sql.Identifier(column.name))
    kind = _ALIASES.get(column.type or "", column.type or "")
    if kind == "numeric" and column.typmod >= 0:
        kind = "numeric with scale"
    if kind == "bpchar" and column.typmod < 0:
        kind = ""  # without a length trailing spaces are part of the value, and the hash does not see them
    if column.element in _EXACT_ELEMENTS:
        return _Value(
            kind="array", fragment=reference, not_null=column.not_null, computed=False, element=column.element
        )
    if kind == "timestamptz":
        # The same microseconds as a timestamp, by an offset of nothing: the plain cast asks the time zone tables.
        moment = sql.SQL("pg_catalog.timezone('0'::pg_catalog.interval, {})").format(reference)
        return _Value(kind="timestamp", fragment=moment, not_null=column.not_null, computed=False)
    if kind in _KINDS and kind != "array":
        return _Value(kind=kind, fragment=reference, not_null=column.not_null, computed=False)
    text = sql.SQL("pg_catalog.textin({}({}))").format(
        sql.Identifier(column.output_schema, column.output_function), reference
    )
    return _Value(kind="text", fragment=text, not_null=column.not_null, computed=True)


def _chain(values: Sequence[tuple[_Value, Fragment]], seed: int) -> sql.Composed:
    chain = sql.SQL("({}::pg_catalog.int8)").format(sql.Literal(_signed(seed)))
    mixes = True
    for value, fragment in values:
        kind = _KINDS[value.kind]
        chain = _step(kind, value, fragment, chain)
        mixes = kind.mixes
    if not mixes or not values:
        # A sum over rows must be a sum of well mixed numbers; some hashes pass parts of their seed through.
        chain = sql.SQL("pg_catalog.hashint4extended(0, {})").format(chain)
    return chain


def _step(kind: _Kind, value: _Value, fragment: Fragment, chain: sql.Composed) -> sql.Composed:
    def fill(template: str, v: Fragment, p: Fragment) -> sql.Composed:
        return sql.SQL(template).format(
            v=v,
            p=p,
            neg=_literal(_NEGATIVE_MARK),
            s0=_literal(_SPECIAL_MARKS[0]),
            s1=_literal(_SPECIAL_MARKS[1]),
            s2=_literal(_SPECIAL_MARKS[2]),
            collate=sql.SQL(' COLLATE "C"' if value.element in ("text", "varchar") else ""),
        )

    mark = fill(kind.mark, fragment, chain) if kind.mark else None
    whole: Fragment = fragment
    if not value.not_null:
        whole = sql.SQL("coalesce({}, {})").format(fragment, sql.SQL(kind.zero.replace("{{}}", "{}")))
        otherwise: Fragment = mark if mark is not None else sql.SQL("0")
        mark = sql.SQL("CASE WHEN {} IS NULL THEN {} ELSE {} END").format(fragment, _literal(_NULL_MARK), otherwise)
    if mark is not None:
        chain = sql.SQL("({} # {})").format(chain, mark)
    return fill(kind.step, whole, chain)


def _literal(number: int) -> sql.Composed:
    return sql.SQL("{}::pg_catalog.int8").format(sql.Literal(number))


def _signed(seed: int) -> int:
    return seed - (1 << 64) if seed >= 1 << 63 else seed
