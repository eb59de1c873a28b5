"""What can be done to the inventory. Every change is one transaction of the database, and every change is on record.

There is no DELETE anywhere: the application's role has no right to it, and does not need one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import psycopg
from psycopg.rows import dict_row

Row = Mapping[str, Any]
LIMIT = Decimal("1000000")


class RefusedError(Exception):
    """What was asked for cannot be done; the text is for the person who asked."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """The database behind the pages, one connection a request."""

    url: str

    def _rows(self, query: str, params: Sequence[object] = ()) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row, connect_timeout=5) as connection:
            return connection.execute(query.encode(), params).fetchall()

    def database(self) -> str:
        """The name of the database, so that a page can say which one it shows."""
        return str(self._rows("SELECT current_database() AS name")[0]["name"])

    def components(self) -> list[dict[str, Any]]:
        """Every component in use."""
        return self._rows(
            'SELECT id, code, name, unit, on_hand, reorder_at, on_hand < reorder_at AS low FROM "Component" '
            "WHERE archived_at IS NULL ORDER BY name"
        )

    def skus(self) -> list[dict[str, Any]]:
        """Every product, with how many could be built from what is there."""
        return self._rows(
            "SELECT s.id, s.code, s.name, s.price, s.on_hand, min(floor(c.on_hand / r.quantity))::int AS buildable, "
            "string_agg(trim_scale(r.quantity) || ' ' || c.unit || ' ' || c.name, ', ' ORDER BY c.name) AS parts "
            'FROM "SKU" s JOIN "Recipe" r ON r.sku_id = s.id JOIN "Component" c ON c.id = r.component_id '
            "WHERE s.archived_at IS NULL GROUP BY s.id ORDER BY s.name"
        )

    def transactions(self, limit: int = 100) -> list[dict[str, Any]]:
        """What happened, the newest first."""
        return self._rows(
            "SELECT t.id, t.at, t.kind, t.quantity, t.note, "
            "coalesce(c.name, s.name) AS name, coalesce(c.unit, 'pcs') AS unit "
            'FROM "Transaction" t LEFT JOIN "Component" c ON c.id = t.component_id '
            'LEFT JOIN "SKU" s ON s.id = t.sku_id '
            "ORDER BY t.at DESC, t.id DESC LIMIT %s",
            (limit,),
        )

    def add_component(self, code: str, name: str, unit: str, reorder_at: str) -> str:
        """A new component, with nothing on hand."""
        if not code.strip() or not name.strip():
            raise RefusedError("A component needs a code and a name.")
        limit = amount(reorder_at or "0", least=Decimal(0))
        try:
            with psycopg.connect(self.url) as connection:
                connection.execute(
                    'INSERT INTO "Component" (code, name, unit, reorder_at) VALUES (%s, %s, %s, %s)',
                    (code.strip(), name.strip(), unit.strip() or "pcs", limit),
                )
        except psycopg.errors.UniqueViolation:
            raise RefusedError(f"There is a component {code.strip()} already.") from None
        return f"{name.strip()} was added."

    def receive(self, component: int, quantity: str, note: str) -> str:
        """Goods came in."""
        count = amount(quantity)
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            row = connection.execute(
                'UPDATE "Component" SET on_hand = on_hand + %s WHERE id = %s AND archived_at IS NULL '
                "RETURNING name, unit",
                (count, component),
            ).fetchone()
            if row is None:
                raise RefusedError("There is no such component.")
            self._record(connection, "receive", count, note, component=component)
        return f"{plain(count)} {row['unit']} of {row['name']} received."

    def adjust(self, component: int, counted: str, note: str) -> str:
        """Somebody counted: the stock becomes what was counted, and the difference is on record."""
        count = amount(counted, least=Decimal(0))
        if not note.strip():
            raise RefusedError("An adjustment needs a note that says why.")
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            row = connection.execute(
                'SELECT name, unit, on_hand FROM "Component" WHERE id = %s AND archived_at IS NULL FOR UPDATE',
                (component,),
            ).fetchone()
            if row is None:
                raise RefusedError("There is no such component.")
            difference = count - row["on_hand"]
            if difference == 0:
                return f"{row['name']} is as it was counted."
            connection.execute('UPDATE "Component" SET on_hand = %s WHERE id = %s', (count, component))
            self._record(connection, "adjust", difference, note, component=component)
        return f"{row['name']} is now {plain(count)} {row['unit']}."

    def build(self, sku: int, quantity: str) -> str:
        """Products are made of components: all of it happens, or nothing."""
        count = amount(quantity)
        if count != count.to_integral_value():
            raise RefusedError("Only whole products can be built.")
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            product = connection.execute(
                'SELECT name FROM "SKU" WHERE id = %s AND archived_at IS NULL FOR UPDATE', (sku,)
            ).fetchone()
            if product is None:
                raise RefusedError("There is no such product.")
            parts = connection.execute(
                "SELECT c.id, c.name, c.on_hand, r.quantity "
                'FROM "Recipe" r JOIN "Component" c ON c.id = r.component_id '
                "WHERE r.sku_id = %s ORDER BY c.id FOR UPDATE OF c",
                (sku,),
            ).fetchall()
            short = [p["name"] for p in parts if p["on_hand"] < p["quantity"] * count]
            if short or not parts:
                raise RefusedError(
                    f"Not enough {', '.join(short) or 'parts'} to build {plain(count)} of {product['name']}."
                )
            for part in parts:
                used = part["quantity"] * count
                connection.execute('UPDATE "Component" SET on_hand = on_hand - %s WHERE id = %s', (used, part["id"]))
            connection.execute('UPDATE "SKU" SET on_hand = on_hand + %s WHERE id = %s', (count, sku))
            self._record(connection, "build", count, "", sku=sku)
        return f"{plain(count)} of {product['name']} built."

    def archive(self, component: int) -> str:
        """Take a component out of use. Its history stays; there is no DELETE."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            used = connection.execute(
                'SELECT s.name FROM "Recipe" r JOIN "SKU" s ON s.id = r.sku_id '
                "WHERE r.component_id = %s AND s.archived_at IS NULL ORDER BY s.name LIMIT 1",
                (component,),
            ).fetchone()
            if used:
                raise RefusedError(f"{used['name']} is made of it.")
            row = connection.execute(
                'UPDATE "Component" SET archived_at = now() WHERE id = %s AND archived_at IS NULL RETURNING name',
                (component,),
            ).fetchone()
            if row is None:
                raise RefusedError("There is no such component.")
        return f"{row['name']} was archived."

    @staticmethod
    def _record(
        connection: psycopg.Connection[Any],
        kind: str,
        count: Decimal,
        note: str,
        *,
        component: int | None = None,
        sku: int | None = None,
    ) -> None:
        connection.execute(
            'INSERT INTO "Transaction" (kind, component_id, sku_id, quantity, note) VALUES (%s, %s, %s, %s, %s)',
            (kind, component, sku, count, note.strip()[:500]),
        )


def amount(text: str, *, least: Decimal = Decimal("0.01")) -> Decimal:
    """A quantity as a person types it."""
    try:
        value = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        raise RefusedError(f"{text.strip()[:20]!r} is not a number.") from None
    if not value.is_finite() or not least <= value <= LIMIT:
        raise RefusedError(f"A quantity is between {plain(least)} and {plain(LIMIT)}.")
    return value.quantize(Decimal("0.01"))


def plain(value: Decimal | int) -> str:
    """A quantity without zeros that say nothing."""
    text = f"{Decimal(value):,.2f}".rstrip("0").rstrip(".")
    return text or "0"
