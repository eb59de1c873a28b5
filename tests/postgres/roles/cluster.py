"""A throw-away cluster on which the ways around the app role's rights are tried, and put back after each.

Its bootstrap superuser is ``inventory_admin``, as the cases have it. Whole databases are copies of a template, so that
a case starts from the same rows; what belongs to the cluster (roles, memberships, parameters, settings) is put back by
hand, and that it is as before is looked at, not assumed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from tests.postgres.conftest import Server, _account, _free_port, _remove

from ringfence import process
from ringfence.postgres import connection as connection_module
from ringfence.postgres import target as target_module
from ringfence.postgres.connection import connect
from ringfence.postgres.programs import Programs
from ringfence.postgres.target import PassEntry, Target, add_passwords
from ringfence.roles.apply import Applied, apply
from ringfence.roles.audit import audit
from ringfence.roles.model import Passwords, Policy
from ringfence.roles.password_check import password_findings

CASES = Path(__file__).parents[2] / "cases"
ADMIN, APP = "inventory_admin", "inventory_app"
PASSWORDS = {ADMIN: "adminpw", APP: "apppw", "migrator": "pw", "verifier": "pw", "inventory_test": "pw"}
BASE_ROLES = (ADMIN, APP, "migrator")
DATABASES = ("inventory", "inventory_test_db")


@functools.cache
def cases(name: str) -> tuple[Mapping[str, Any], ...]:
    """The cases of a file in tests/cases."""
    with (CASES / name).open("rb") as file:
        return tuple(tomllib.load(file)["cases"])


@dataclass(kw_only=True)
class Arena:
    """The cluster. ``server`` is as the other tests have it; ``sock`` holds its Unix socket."""

    server: Server
    sock: Path
    work: Path
    conf: str = ""
    hba: str = ""
    held: list[subprocess.Popen[str]] = field(default_factory=list)
    pristine: dict[frozenset[str], frozenset[tuple[str, str, str]]] = field(default_factory=dict)
    fixes: dict[tuple[str, str, str], str] = field(default_factory=dict)
    wanted: frozenset[str] = frozenset({"inventory"})

    @property
    def target(self) -> Target:
        return self.server.target

    def admin(self, database: str = "inventory") -> psycopg.Connection[Any]:
        return psycopg.connect(self.target.on(database).conninfo(), autocommit=True)

    def rows(self, query: str, database: str = "inventory") -> list[Any]:
        with self.admin(database) as connection:
            return connection.execute(query.encode()).fetchall()

    def fill(self, text: str) -> str:
        """The placeholders of a case."""
        return (
            text.replace(":PORT:", str(self.server.port))
            .replace(":SOCK:", str(self.sock))
            .replace(":DATADIR:", str(self.server.data))
        )

    # ── running what a case says ──

    def psql(
        self,
        script: str,
        *,
        role: str = ADMIN,
        database: str = "inventory",
        password: str | None = None,
        go_on: bool = False,
    ) -> tuple[bool, str]:
        """A script with psql, as a role: whether every statement went well, and what was said. ``go_on``: as whoever
        attacks, past every error."""
        words = [*self._words(role, database), *(("-v", "ON_ERROR_STOP=0") if go_on else ())]
        done = subprocess.run(
            [self.server.programs.path("psql"), *words, "-f", "-"],
            input=self.fill(script) + "\n",
            capture_output=True,
            text=True,
            timeout=120,
            env=self._environment(role, password),
            check=False,
        )
        return done.returncode == 0, done.stdout + done.stderr

    def must(self, script: str, *, database: str = "inventory") -> None:
        ok, said = self.psql(script, database=database)
        assert ok, said

    def shell(self, script: str) -> str:
        environment = {
            **process.clean_environment(),
            "PSQL": str(self.server.programs.path("psql")),
            "PORT": str(self.server.port),
            "SOCK": str(self.sock),
            "DATADIR": str(self.server.data),
            "WORK": str(self.work),
            "PGPASSFILE": str(self.target.passfile),
        }
        done = subprocess.run(
            ["bash", "-c", self.fill(script)], capture_output=True, text=True, timeout=120, env=environment, check=False
        )
        return f"{done.returncode}\n{done.stdout}{done.stderr}"

    def hold(self, script: str, *, role: str, database: str) -> None:
        """Run a script in a session that stays open until `release`."""
        child = subprocess.Popen(
            [self.server.programs.path("psql"), *self._words(role, database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment(role, None),
        )
        self.held.append(child)
        assert child.stdin and child.stdout
        child.stdin.write(self.fill(script) + "\n\\echo held-now\n")
        child.stdin.flush()
        for line in child.stdout:
            if "held-now" in line:
                return

    def release(self) -> None:
        for child in self.held:
            child.kill()
            child.wait()
            assert child.stdin and child.stdout
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
            child.stdout.close()
        self.held.clear()

    def _words(self, role: str, database: str) -> list[str]:
        words = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.server.port)]
        return [*words, "-U", role, "-d", database]

    def _environment(self, role: str, password: str | None) -> dict[str, str]:
        return process.clean_environment(
            {"PGPASSWORD": password or PASSWORDS.get(role, "pw"), "PGCONNECT_TIMEOUT": "10"}
        )

    # ── settings of the server ──

    def configure(self, *, conf: Sequence[str] = (), hba: Sequence[str] = ()) -> None:
        """Other settings than the usual ones: written, and the server restarted or told, where they differ."""
        text = "".join(f"{line}\n" for line in conf)
        lines = "".join(f"{self.fill(line)}\n" for line in hba)
        if (text, lines) == (self.conf, self.hba):
            return
        restart = text != self.conf
        self._write("case.conf", text)
        self._write("pg_hba.conf", f"{lines}host all all 127.0.0.1/32 scram-sha-256\n")
        self.conf, self.hba = text, lines
        # With a log of its own: a server that keeps the pipe of pg_ctl open has whoever reads it wait for seconds.
        log = ("-l", str(self.server.base / "server.log"))
        self.server.control(*(("restart", "-m", "fast", *log) if restart else ("reload",)))
        if not restart:
            time.sleep(0.3)

    def _write(self, name: str, text: str) -> None:
        path = self.server.data / name
        path.write_text(text)
        if self.server.account:
            os.chown(path, self.server.account.uid, self.server.account.gid)

    # ── as it was ──

    def reset(self, *, wanted: Iterable[str] | None = None) -> None:
        """Databases from their templates (the same as before, or those that are ``wanted``: every one is looked into by
        every audit), and the cluster's own state as it was at the beginning."""
        self.wanted = self.wanted if wanted is None else frozenset(wanted)
        strategy = " STRATEGY file_copy" if self.server.major >= 15 else ""
        self.release()
        for name, database in self.rows("SELECT gid, database FROM pg_prepared_xacts", "postgres"):
            with self.admin(database) as connection:
                connection.execute(f"ROLLBACK PREPARED '{name}'".encode())
        self.configure()
        self._drop_subscriptions()
        with self.admin("postgres") as connection:
            connection.execute("SET client_min_messages = error")
            existing = [
                r[0]
                for r in connection.execute("SELECT datname FROM pg_database WHERE datname !~ '^(template|postgres)'")
            ]
            for name in existing:
                if not name.endswith("_pristine"):
                    connection.execute(
                        psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name))
                    )
            connection.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
            self._reset_roles(connection)
            for name in sorted(self.wanted):
                connection.execute(f"CREATE DATABASE {name} TEMPLATE {name}_pristine OWNER {ADMIN}{strategy}".encode())
            connection.execute(f"GRANT CONNECT ON DATABASE inventory TO {APP}".encode())
        shutil.rmtree(self.server.data / "fake_backups", ignore_errors=True)
        for name in ("victim.txt", "pwned"):
            with contextlib.suppress(FileNotFoundError):
                (self.server.data / name).unlink()

    def _drop_subscriptions(self) -> None:
        for name, database in self.rows(
            "SELECT subname, datname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid", "postgres"
        ):
            with self.admin(database) as connection:
                connection.execute(f"ALTER SUBSCRIPTION {name} DISABLE".encode())
                connection.execute(f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)".encode())
                connection.execute(f"DROP SUBSCRIPTION {name}".encode())

    def _reset_roles(self, connection: psycopg.Connection[Any]) -> None:
        if self.server.major >= 15:
            connection.execute(
                "DO $$ DECLARE p record; BEGIN FOR p IN SELECT parname, r.rolname FROM pg_parameter_acl, aclexplode(paracl) a "
                "LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE r.oid IS DISTINCT FROM 10 LOOP "
                "EXECUTE format('REVOKE ALL ON PARAMETER %s FROM %s', p.parname, COALESCE(quote_ident(p.rolname), 'PUBLIC')); END LOOP; END $$"
            )
        names = [r[0] for r in connection.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'")]
        for name in names:
            if name not in BASE_ROLES:
                identifier = psycopg.sql.Identifier(name)
                connection.execute(psycopg.sql.SQL("DROP OWNED BY {}").format(identifier))
                connection.execute(psycopg.sql.SQL("DROP ROLE {}").format(identifier))
        connection.execute(
            f"""DO $$ DECLARE m record; BEGIN
            FOR m IN SELECT roleid::regrole g FROM pg_auth_members WHERE member = '{APP}'::regrole LOOP
                EXECUTE format('REVOKE %s FROM {APP}', m.g); END LOOP; END $$""".encode()
        )
        connection.execute(
            f"ALTER ROLE {APP} LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS "
            "CONNECTION LIMIT -1 PASSWORD 'apppw'".encode()
        )
        connection.execute(f"ALTER ROLE {APP} RESET ALL".encode())
        connection.execute("ALTER ROLE ALL RESET ALL")
        for name in ("postgres", "template1"):
            connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC, {APP}".encode())
            connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO PUBLIC".encode())
        with contextlib.suppress(psycopg.Error):
            connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")

    # ── looking ──

    def clean(self) -> frozenset[tuple[str, str, str]]:
        """The findings of the role exactly as the strategy gives it, asked once, right after a `reset`."""
        if self.wanted not in self.pristine:
            self.pristine[self.wanted] = self.audit()
        return self.pristine[self.wanted]

    def policy(self, **changes: Any) -> Policy:
        given: dict[str, Any] = {
            "database": "inventory",
            "app": APP,
            "admin": ADMIN,
            "superusers": ("postgres",),
            "guards": ("zz_update_brake", "zz_insert_brake"),
            "settings": {},
            "idle_s": 0.0,
        }
        return Policy(**{**given, **changes})

    def audit(self, **changes: Any) -> frozenset[tuple[str, str, str]]:
        """Findings as (rule, object, severity), those of the password file included."""
        policy = self.policy(**changes)
        passwords = Passwords(passfile=self.target.passfile, host="127.0.0.1", port=self.server.port)
        with connect(self.target.on("inventory")) as connection:
            extra = password_findings(connection, policy, passwords)
        found = audit(policy, lambda database: connect(self.target.on(database)), extra=extra)
        self.fixes = {(f.rule, f.object, f.severity): f"{_database_of(f.object)}|{f.fix}" for f in found.findings}
        return frozenset((f.rule, f.object, f.severity) for f in found.findings)

    def apply(self, *, dry_run: bool = False, **changes: Any) -> Applied:
        """`roles apply` with the cases' policy."""
        passwords = Passwords(passfile=self.target.passfile, host="127.0.0.1", port=self.server.port)
        opener = lambda database: connect(self.target.on(database), read_only=False)  # noqa: E731
        return apply(self.policy(**changes), passwords, opener, dry_run=dry_run)


def _database_of(name: str) -> str:
    found = re.match(r"database (\w+): (?!CONNECT|CREATE|TEMP)", name)
    return found[1] if found else "inventory"


@contextlib.contextmanager
def arena(programs: Programs) -> Iterator[Arena]:
    """A running cluster with the databases of the cases, gone at the end of the block."""
    account = _account()
    base = Path(tempfile.mkdtemp(prefix=f"ringfence-roles-pg{programs.major}-"))
    try:
        yield _make(programs, base, account)
    finally:
        _remove(programs, base, account)


def _make(programs: Programs, base: Path, account: process.Account | None) -> Arena:
    base.chmod(0o755)
    sock, work, given = base / "sock", base / "work", base / "password"
    sock.mkdir(mode=0o777)
    sock.chmod(0o777)
    work.mkdir()
    given.write_text(PASSWORDS[ADMIN])
    if account:
        for path in (base, given):
            os.chown(path, account.uid, account.gid)
    words = ["-U", ADMIN, f"--pwfile={given}", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if programs.major >= 18 else []
    process.run([programs.path("initdb"), "-D", base / "data", *words, *locale], timeout_s=120, run_as=account)
    port = _free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(sock),
        "port": str(port),
        "fsync": "off",
        "full_page_writes": "off",
        "shared_buffers": "32MB",
        "max_connections": "40",
        "wal_level": "logical",
        "log_statement": "none",
        "autovacuum": "off",
    }
    with (base / "data" / "postgresql.conf").open("a") as configuration:
        configuration.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        configuration.write("include_if_exists = 'case.conf'\n")
    passfile = base / "client" / "pgpass"
    add_passwords(
        passfile,
        [
            PassEntry(host=h, port=port, user=u, password=p)
            for u, p in PASSWORDS.items()
            for h in ("127.0.0.1", "localhost")
        ],
    )
    target = Target(host="127.0.0.1", port=port, database="postgres", user=ADMIN, passfile=passfile)
    server = Server(programs=programs, base=base, port=port, account=account, target=target)
    made = Arena(server=server, sock=sock, work=work)
    # Another server, of another major, may have had this port earlier in this process.
    target_module._SILENCED.discard(target.door)
    connection_module._SETTLED.discard(target.door)
    made._write("pg_hba.conf", "host all all 127.0.0.1/32 scram-sha-256\n")
    server.control("-l", str(base / "server.log"), "start")
    made.must((CASES / "role_escapes_schema.sql").read_text(), database="postgres")
    with made.admin("postgres") as connection:
        for name in DATABASES:
            connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_pristine".encode())
            connection.execute(f"ALTER DATABASE {name}_pristine ALLOW_CONNECTIONS false".encode())
    made.reset()
    return made
