"""``python -m shop --port 4545``: serve the inventory that DATABASE_URL names."""

from __future__ import annotations

import argparse
import os
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from shop.store import Store
from shop.web import Application


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def main() -> int:
    """Serve until somebody ends it."""
    parser = argparse.ArgumentParser(prog="python -m shop", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="4545 is production, 2345 is test")
    port = parser.parse_args().port
    url = os.environ.get("DATABASE_URL")
    if not url:
        print("DATABASE_URL is not set: it names the database to show", file=sys.stderr)
        return 2
    store = Store(url=url)
    with make_server("127.0.0.1", port, Application(store), server_class=_Server, handler_class=_Quiet) as server:
        print(f"http://127.0.0.1:{port} shows the database {store.database()}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
