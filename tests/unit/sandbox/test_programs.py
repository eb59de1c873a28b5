"""What honest agents need: git, Node, Python and a browser, in every full layer."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

Stage = Any

PAGE = """
from http.server import BaseHTTPRequestHandler, HTTPServer
import subprocess, threading, sys
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header('Content-Type', 'text/html'); self.end_headers()
        self.wfile.write(b'<script>document.title = "it runs " + (40 + 2); document.write(document.title)</script>')
    def log_message(self, *_): pass
server = HTTPServer(('127.0.0.1', 2345), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
done = subprocess.run([{browser!r}, '--headless', '--no-sandbox', '--disable-gpu', '--virtual-time-budget=2000',
    '--dump-dom', 'http://127.0.0.1:2345/'], capture_output=True, text=True, timeout=60)
print(done.stdout[-400:] or done.stderr[-800:])
"""


def test_a_browser_tests_an_application_on_the_test_web_port(stage: Stage) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser on this machine: chromium")
    from tests.unit.sandbox.conftest import FULL

    if "bwrap-net" not in FULL:
        pytest.skip("no sandbox: bubblewrap is not installed")
    done = stage.python("bwrap-net", PAGE.replace("{browser!r}", repr(browser)))
    assert "it runs 42" in done.out, done.out


def test_git_commits_and_branches(stage: Stage, full_layer: str) -> None:
    make = "git init -q x && cd x && echo 1 > a && git add a && git -c user.name=A -c user.email=a@b commit -qm m"
    done = stage.sh(full_layer, f"{make} && git switch -qc other && git log --oneline | wc -l")
    assert done.out.strip() == "1", done.out


def test_node_runs_and_listens(stage: Stage) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine")
    from tests.unit.sandbox.conftest import FULL

    if "bwrap-net" not in FULL:
        pytest.skip("no sandbox: bubblewrap is not installed")
    script = (
        "const http = require('http'); const server = http.createServer((q, r) => r.end('hello'));"
        "server.listen(0, '127.0.0.1', () => fetch('http://127.0.0.1:' + server.address().port)"
        ".then(r => r.text()).then(t => { console.log(t); process.exit(0) }))"
    )
    assert stage.run("bwrap-net", node, "-e", script).out == "hello\n"


def test_python_has_its_modules_and_threads(stage: Stage, layer: str) -> None:
    script = "import concurrent.futures as f, ssl, sqlite3; print(sum(f.ThreadPoolExecutor(4).map(int, '1234')))"
    assert stage.python(layer, script).out == "10\n"
