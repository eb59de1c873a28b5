"""The row hash as an SQL expression, generated from the catalog (pure).

A row's hash is ``F(k, h1 # h2 ... # numbers)``. ``#`` is XOR; F is hashint4extended, which mixes all 64 bits of its
seed and 32 bits of k; ``numbers`` are whole small values side by side in 64 bits; h1, h2 ... are the 64-bit hashes of
the other columns, and the table's secret seed where there are none. Every column has secret numbers of its own, made
from that seed: one that its hash starts from, so that no two columns can trade places, and one that stands for NULL.
What enters by XOR is either whole (two int4, or one int8, fill the 64 bits; a further int4 is k) or a well mixed hash;
more numbers are taken in by more rounds of F. So two different rows agree by chance only, once in 2^64 for each of the
two seeds.

PostgreSQL's own extended hash functions do the work where they are *exact*, that is where two values that differ in any
way a person could see hash differently. Several are not, because they have to agree with ``=``, and were seen to miss
changes:

- ``hashint8extended`` folds the two halves together: 1 and 4294967296 hash alike. So a bigint goes in whole. Timestamps
  use the same function: their high half is hashed apart, by `date_bin` of 2^32 microseconds, and their sign mixed in.
- ``hash_numeric_extended`` knows neither sign nor scale: 5, -5 and 5.00 hash alike. Both are mixed into its seed. It
  also hands parts of its seed and of the value through unmixed, so its result goes through F once more.
- ``hashfloat8extended`` makes -0.0 and 0.0 equal: the sign of a zero is mixed in.
- ``hash_array_extended`` forgets its seed for an empty array and for NULL elements: its result is mixed in by F. It
  does not see bounds; those that are not the usual ones are mixed in. It hashes the elements by the functions above, so
  only arrays of exact element types use it.
- ``jsonb_hash_extended`` has the faults of numeric. jsonb is hashed as text.

Every other type is hashed by the text its own output function gives, under pinned settings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from ringfence.integrity.model import Seeds

ALGORITHM = 3
"""Changes whenever the digest of the same rows would change; kept in every manifest."""

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
    """How one kind of value enters the row's hash.

    ``step`` is its hash, starting from the seed {p}; ``mark`` is what else about the value the hash function does not
    see, as an int8 mixed into that seed. ``whole`` is how many bits a kind has that goes in by all its bits, 32 or 64:
    ``step`` is then that number.
    """

    step: str
    mark: str | None = None
    whole: int = 0


_KINDS: Mapping[str, _Kind] = {
    "int2": _Kind(step="{v}::pg_catalog.int4", whole=32),
    "int4": _Kind(step="{v}", whole=32),
    "oid": _Kind(step="{v}::pg_catalog.int4", whole=32),
    "bool": _Kind(step="{v}::pg_catalog.int4", whole=32),
    "date": _Kind(
        step="(CASE WHEN {v} = 'infinity'::pg_catalog.date THEN 2147483647 "
        "WHEN {v} = '-infinity'::pg_catalog.date THEN (-2147483648) ELSE {v} - '2000-01-01'::pg_catalog.date END)",
        whole=32,
    ),
    "int8": _Kind(step="{v}", whole=64),
    "text": _Kind(step='pg_catalog.hashtextextended({v} COLLATE "C", {p})'),
    "bpchar": _Kind(step='pg_catalog.hashbpcharextended({v} COLLATE "C", {p})'),
    "uuid": _Kind(step="pg_catalog.uuid_hash_extended({v}, {p})"),
    "inet": _Kind(step="pg_catalog.hashinetextended({v}, {p})"),
    "macaddr": _Kind(step="pg_catalog.hashmacaddrextended({v}, {p})"),
    "timestamp": _Kind(
        # The greatest of both: rounding the first month that a timestamp can be in would leave their range.
        step="pg_catalog.timestamp_hash_extended({v}, pg_catalog.timestamp_hash_extended(pg_catalog.date_bin("
        "'4294.967296 s'::pg_catalog.interval, greatest({v}, '4713-01-01 BC'::pg_catalog.timestamp), "
        "'2000-01-01'::pg_catalog.timestamp), {p}))",
        # Halves of negative numbers (before 2000) are complemented before they are folded: without the sign a moment
        # and its mirror image would hash alike.
        # In the months that `greatest` takes for one the text tells moments apart.
        mark="CASE WHEN {v} >= '2000-01-01'::pg_catalog.timestamp THEN 0 "
        "WHEN {v} >= '4712-01-01 BC'::pg_catalog.timestamp OR {v} = '-infinity'::pg_catalog.timestamp THEN {n0} "
        'ELSE pg_catalog.hashtextextended(pg_catalog.textin(pg_catalog.timestamp_out({v})) COLLATE "C", {n0}) END',
    ),
    "numeric": _Kind(
        step="pg_catalog.hashint4extended(0, pg_catalog.hash_numeric_extended({v}, {p}))",
        mark="coalesce(CASE WHEN {v} < 0 THEN -1 - pg_catalog.scale({v}) ELSE pg_catalog.scale({v}) END"
        "::pg_catalog.int8, CASE WHEN {v} = 'NaN'::pg_catalog.numeric THEN {n0} WHEN {v} < 0 THEN {n1} ELSE {n2} END)",
    ),
    "numeric with scale": _Kind(
        step="pg_catalog.hashint4extended(0, pg_catalog.hash_numeric_extended({v}, {p}))",
        mark="CASE WHEN {v} < 0 THEN {n0} ELSE 0 END",
    ),
    "float8": _Kind(
        step="pg_catalog.hashfloat8extended({v}, {p})",
        mark="CASE WHEN {v} = 0 AND pg_catalog.atan2({v}, -1) < 0 THEN {n0} ELSE 0 END",
    ),
    "float4": _Kind(
        step="pg_catalog.hashfloat4extended({v}, {p})",
        mark="CASE WHEN {v} = 0 AND pg_catalog.atan2({v}, -1) < 0 THEN {n0} ELSE 0 END",
    ),
    # An array of a NULL is no NULL, so this one asks.
    "bytea": _Kind(
        step="CASE WHEN {v} IS NOT NULL THEN "
        "pg_catalog.hashint4extended(0, pg_catalog.hash_array_extended(ARRAY[{v}], {p})) END"
    ),
    "array": _Kind(
        # The first argument is never NULL, the second is for an array that is: hash functions are strict.
        step="pg_catalog.hashint4extended(CASE WHEN pg_catalog.array_ndims({v}) = 1 "
        "AND pg_catalog.array_lower({v}, 1) = 1 THEN 1 "
        'ELSE coalesce(pg_catalog.hashtext(pg_catalog.array_dims({v}) COLLATE "C"), 2) END, '
        "{p} # pg_catalog.hash_array_extended({v}{collate}, 8191))",
    ),
}
_PADDED_FROM = 16
_MOST_ITEMS = 1600
"""Values that are made once: as many as a table may have columns; a select list has room for a few more (1664)."""
# By bytes: a collation may hold other characters for nothing at all.
_FILLED = """nullif({} COLLATE "C", ''::pg_catalog.bpchar)"""
_ALIASES = {"varchar": "text", "cidr": "inet"}


@dataclass(frozen=True, kw_only=True)
class _Value:
    """A column's value as the chain takes it: its kind, how it is written, and what it must be computed from once."""

    kind: str
    fragment: Fragment
    not_null: bool
    computed: bool
    element: str | None = None
    padded: bool = False
    """A wide ``char(n)``: where its padding begins is looked for by every call; that it is blank is found out once."""
    filled: Fragment | None = None
    """The value of a padded one, NULL where it is blank."""


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
    if len(values) + sum(v.padded for v in values) > _MOST_ITEMS:
        values = [replace(v, padded=False) for v in values]
    made: sql.Composed | None = None
    if any(v.computed or v.padded for v in values):
        values, made = _made_once(values)
    chosen = [v for c, v in zip(columns, values, strict=True) if only is None or c.name in only]
    return RowHashes(first=_chain(chosen, seeds.first, 0), second=_chain(chosen, seeds.second, 1), made=made)


def _made_once(values: Sequence[_Value]) -> tuple[list[_Value], sql.Composed]:
    """The same values as columns of a subquery, and its select list."""
    names = [sql.Identifier(f"v{number}") for number in range(len(values))]
    items = [sql.SQL("{} AS {}").format(v.fragment, name) for v, name in zip(values, names, strict=True)]
    found = [replace(v, fragment=sql.SQL("__made.{}").format(n)) for v, n in zip(values, names, strict=True)]
    for number, value in enumerate(values):
        if value.padded:
            name = sql.Identifier(f"filled{number}")
            items.append(sql.SQL("{} AS {}").format(sql.SQL(_FILLED).format(value.fragment), name))
            found[number] = replace(found[number], filled=sql.SQL("__made.{}").format(name))
    return found, sql.SQL(", ").join(items)


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
        padded = kind == "bpchar" and column.typmod - 4 >= _PADDED_FROM  # a length of n has the typmod n + 4
        return _Value(kind=kind, fragment=reference, not_null=column.not_null, computed=False, padded=padded)
    text = sql.SQL("pg_catalog.textin({}({}))").format(
        sql.Identifier(column.output_schema, column.output_function), reference
    )
    return _Value(kind="text", fragment=text, not_null=column.not_null, computed=True)


def _chain(values: Sequence[_Value], seed: int, which: int) -> sql.Composed:
    """The row's hash from one seed: hashed columns by XOR, then the whole ones, up to 96 bits a round of F."""
    numbered = [(value, _Secrets(seed, which, number)) for number, value in enumerate(values)]
    # A hashed column brings secrets of its own; adding the seed to them would cost a step for every row.
    mixed = [_hashed(v, s) for v, s in numbered if not _KINDS[v.kind].whole] or [_literal(_signed(seed))]
    chain = sql.SQL(" # ").join(mixed)
    narrow = [n for n in numbered if _KINDS[n[0].kind].whole == 32]
    rounds: list[tuple[list[_Numbered], list[_Numbered]]] = []
    for wide in (n for n in numbered if _KINDS[n[0].kind].whole == 64):
        rounds.append((narrow[:1], [wide]))
        narrow = narrow[1:]
    rounds += [(narrow[i : i + 1], narrow[i + 1 : i + 3]) for i in range(0, len(narrow), 3)]
    for key, beside in rounds or [([], [])]:
        chain = _round(chain, key, beside)
    return chain


def _round(chain: sql.Composed, key: list[_Numbered], beside: list[_Numbered]) -> sql.Composed:
    """``F(key, chain # beside)``; ``beside`` fill 64 bits at most, so no two of them can make up for each other."""
    shift = len(beside) == 2
    for value, secrets in beside:
        number = _number(value)
        if shift:
            # The upper half by one multiplication: a cast and a shift are two calls a row.
            number, shift = sql.SQL("({} * 4294967296::pg_catalog.int8)").format(number), False
        elif _KINDS[value.kind].whole == 32:
            number = sql.SQL("{}::pg_catalog.int8").format(number)
        if not value.not_null:
            number = sql.SQL("coalesce({}, {})").format(number, secrets.literal("null"))
        chain = sql.SQL("{} # {}").format(chain, number)
    whole: sql.Composed = sql.SQL("0").format()
    for value, secrets in key:
        whole = _number(value)
        if not value.not_null:
            whole = sql.SQL("coalesce({}, {})").format(whole, secrets.small())
    return sql.SQL("pg_catalog.hashint4extended({}, {})").format(whole, chain)


def _number(value: _Value) -> sql.Composed:
    return sql.SQL(_KINDS[value.kind].step).format(v=value.fragment)


def _hashed(value: _Value, secrets: _Secrets) -> sql.Composed:
    kind = _KINDS[value.kind]

    def fill(template: str, p: Fragment, v: Fragment = value.fragment) -> sql.Composed:
        return sql.SQL(template).format(
            v=v,
            p=p,
            n0=secrets.literal("mark 0"),
            n1=secrets.literal("mark 1"),
            n2=secrets.literal("mark 2"),
            collate=sql.SQL(' COLLATE "C"' if value.element in ("text", "varchar") else ""),
        )

    seed: sql.Composed = secrets.literal("seed")
    if kind.mark is not None:
        seed = sql.SQL("({} # {})").format(seed, fill(kind.mark, seed))
    null = secrets.literal("null")
    if value.filled is None:
        hashed = fill(kind.step, seed)
        return hashed if value.not_null else sql.SQL("coalesce({}, {})").format(hashed, null)
    # The hash of a blank is a constant, which the planner makes.
    blank = fill(kind.step, seed, sql.SQL("''::pg_catalog.bpchar").format())
    if not value.not_null:
        blank = sql.SQL("CASE WHEN {} IS NULL THEN {} ELSE {} END").format(value.fragment, null, blank)
    return sql.SQL("coalesce({}, {})").format(fill(kind.step, seed, value.filled), blank)


@dataclass(frozen=True)
class _Secrets:
    """The numbers of one column, none of which can be told from the values in the table or from each other."""

    seed: int
    which: int
    column: int

    def literal(self, purpose: str) -> sql.Composed:
        """An int8; the same one for the same seed, position and purpose on every machine."""
        return _literal(self._number(purpose))

    def small(self) -> sql.Composed:
        """An int4 that stands for NULL among int4; another one in each of a row's two hashes, being even or odd.

        A value can therefore look like NULL to one of them at most.
        """
        number = (self._number("null") >> 32) & ~1 | self.which
        return sql.SQL("({}::pg_catalog.int4)").format(sql.Literal(number))

    def _number(self, purpose: str) -> int:
        text = f"ringfence {ALGORITHM} {self.seed} {self.column} {purpose}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


_Numbered = tuple[_Value, _Secrets]


def _literal(number: int) -> sql.Composed:
    return sql.SQL("({}::pg_catalog.int8)").format(sql.Literal(number))


def _signed(seed: int) -> int:
    return seed - (1 << 64) if seed >= 1 << 63 else seed
