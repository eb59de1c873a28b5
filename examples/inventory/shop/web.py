"""The pages: a WSGI application with a handful of routes. A form is answered by a redirect that says what was done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import psycopg
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shop.store import RefusedError, Store, plain

HERE = Path(__file__).parent
Start = Callable[[str, list[tuple[str, str]]], object]
_FORM_BYTES = 10_000
_PAGES = Environment(
    loader=FileSystemLoader(HERE / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters["plain"] = plain


class Application:
    """The inventory for one database."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"] or "/", environ["REQUEST_METHOD"]
        try:
            if path == "/static/style.css":
                return _answer(start, "200 OK", (HERE / "static" / "style.css").read_bytes(), "text/css; charset=utf-8")
            if path == "/health":
                return _answer(start, "200 OK", self.store.database().encode(), "text/plain; charset=utf-8")
            if method == "POST":
                return self._post(path, environ, start)
            return self._get(path, environ, start)
        except psycopg.OperationalError:
            return self._page(
                start, "error.html", status="503 Service Unavailable", text="The database does not answer."
            )

    def _get(self, path: str, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        said = parse_qs(environ.get("QUERY_STRING", ""))
        notice = {"done": said.get("done", [""])[0][:300], "refused": said.get("refused", [""])[0][:300]}
        store = self.store
        if path == "/":
            components = store.components()
            return self._page(
                start,
                "home.html",
                **notice,
                components=components,
                skus=store.skus(),
                transactions=store.transactions(8),
                low=[c for c in components if c["low"]],
            )
        if path == "/components":
            return self._page(start, "components.html", **notice, components=store.components())
        if path == "/skus":
            return self._page(start, "skus.html", **notice, skus=store.skus())
        if path == "/transactions":
            return self._page(start, "transactions.html", **notice, transactions=store.transactions())
        return self._page(start, "error.html", status="404 Not Found", text="There is no such page.")

    def _post(self, path: str, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        length = min(int(environ.get("CONTENT_LENGTH") or 0), _FORM_BYTES)
        form = {k: v[0] for k, v in parse_qs(environ["wsgi.input"].read(length).decode("utf-8", "replace")).items()}
        back = "/skus" if path.startswith("/skus") else "/components"
        try:
            done = self._act(path, form)
        except RefusedError as refused:
            return _redirect(start, f"{back}?refused={quote(str(refused))}")
        return _redirect(start, f"{back}?done={quote(done)}")

    def _act(self, path: str, form: dict[str, str]) -> str:
        if path == "/components":
            return self.store.add_component(
                form.get("code", ""), form.get("name", ""), form.get("unit", ""), form.get("reorder_at", "")
            )
        match = re.fullmatch(r"/(components|skus)/(\d{1,9})/(receive|adjust|archive|build)", path)
        if match is None:
            raise RefusedError("There is no such action.")
        kind, number, verb = match[1], int(match[2]), match[3]
        if (kind, verb) == ("skus", "build"):
            return self.store.build(number, form.get("quantity", ""))
        if (kind, verb) == ("components", "receive"):
            return self.store.receive(number, form.get("quantity", ""), form.get("note", ""))
        if (kind, verb) == ("components", "adjust"):
            return self.store.adjust(number, form.get("counted", ""), form.get("note", ""))
        if (kind, verb) == ("components", "archive"):
            return self.store.archive(number)
        raise RefusedError("There is no such action.")

    def _page(self, start: Start, name: str, *, status: str = "200 OK", **values: Any) -> Iterable[bytes]:
        try:
            database = self.store.database()
        except psycopg.OperationalError:
            database = "no database"
        values = {"done": "", "refused": "", **values}
        text = _PAGES.get_template(name).render(database=database, page=name.removesuffix(".html"), **values)
        return _answer(start, status, text.encode(), "text/html; charset=utf-8")


def _answer(start: Start, status: str, body: bytes, kind: str) -> list[bytes]:
    start(
        status,
        [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'"),
        ],
    )
    return [body]


def _redirect(start: Start, where: str) -> list[bytes]:
    start("303 See Other", [("Location", where), ("Content-Length", "0")])
    return [b""]
