"""PostgreSQL's own programs: which server they would connect to by libpq's rules, and where their SQL leads."""

from __future__ import annotations

import os
import re

from ringfence.guard import paths
from ringfence.guard.address import (
    PRODUCTION,
    TEST,
    UNNAMED,
    UNSEEN,
    Place,
    conninfo,
    place_of,
    production_in,
    url_place,
)
from ringfence.guard.expansion import known
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.guard.expansion import Values
    from ringfence.guard.policy import Policy
    from ringfence.guard.shell import Call, Shell

# Short options that take a value; and whether the first operand is the database.
_PROGRAMS: dict[str, tuple[str, bool]] = {
    "psql": ("cdfhpUvoLPRFT", True),
    "pgcli": ("hpUudDR", True),
    "usql": ("cfovFRTP", True),
    "pg_dump": ("fFjnNtTSZEUhpde", True),
    "pg_dumpall": ("fhpUldSE", False),
    "pg_restore": ("dfFIjLnNPSTtUhp", False),
    "createdb": ("DElOTShpU", True),
    "dropdb": ("hpU", True),
    "createuser": ("cgmavhpU", False),
    "dropuser": ("hpU", False),
    "vacuumdb": ("dhpUjtnNP", True),
    "reindexdb": ("dhpUijStI", True),
    "clusterdb": ("dhpUt", True),
    "pgbench": ("cjtTfbDhpUdlMPRFL", True),
    "pg_isready": ("dhpUt", False),
    "pg_basebackup": ("DFrTXZcdhpUlSt", False),
    "pg_receivewal": ("DdhpUSsZ", False),
    "pg_recvlogical": ("fFIEdhpUSsPo", False),
    "pg_amcheck": ("dhpUjtTiIsSD", True),
    "oid2name": ("dhpUfot", False),
    "vacuumlo": ("hpUl", True),
    "pg_verifybackup": ("", False),
}
PROGRAMS = frozenset(_PROGRAMS)
_LONG = {
    "command": "c",
    "dbname": "d",
    "file": "f",
    "host": "h",
    "port": "p",
    "username": "U",
    "set": "v",
    "variable": "v",
    "output": "o",
    "log-file": "L",
    "pset": "P",
    "maintenance-db": "d",
    "connstr": "d",
    "record-separator": "R",
    "field-separator": "F",
    "table-attr": "T",
    "user": "U",
    "database": "l",
}
_FLAGS = ("no-psqlrc", "no-password", "password", "help", "version", "list", "echo-all", "echo-queries", "expanded")
_META = re.compile(
    r"\\(connect|c|!|copy|o|out|g|gx|gexec|i|include|ir|include_relative|w|write|setenv|e|edit)(?![a-z])([^\n]*)"
)
_PROGRAM = re.compile(r"\bprogram\s+(?:E|U&)?'((?:[^']|'')*)'", re.IGNORECASE)
_DOLLAR_PROGRAM = re.compile(r"\bprogram\s+(?:\$|\|\||[a-z(:])", re.IGNORECASE)
_ELSEWHERE = re.compile(r"\b(?:dblink\w*|postgres_fdw|create\s+(?:server|subscription)|file_fdw)\b", re.IGNORECASE)


def judge(shell: Shell, call: Call) -> str:
    """Refuse a client of which it is not proven that it connects to the test database."""
    if any(a in ("--help", "--version", "-V", "-?") for a in call.argv[1:]):
        return UNKNOWN
    options, operands = _arguments(call)
    _, database_first = _PROGRAMS[call.name]
    databases = [*options.get("d", [])]
    if database_first and operands:
        databases.append(operands[0])
    place = libpq_place(shell.policy, call.env, options.get("h", []), options.get("p", []), databases)
    if call.name == "pg_restore" and ("l" in options or not databases) and place.verdict in (TEST, UNNAMED):
        return _read_archive(shell, call, operands)
    if call.name == "pg_verifybackup":
        return UNKNOWN
    if call.name == "pg_isready" and place.verdict == UNNAMED:
        return UNKNOWN  # it sends nothing but a greeting
    require_test(shell.policy, call, place)
    for text in (*options.get("c", []), *_files(shell, call, options), call.stdin or ""):
        judge_sql(shell, call, text)
    for name in (*options.get("o", []), *options.get("L", []), *(options.get("f", []) if call.name != "psql" else [])):
        if name.startswith("|"):
            shell.run_text(name[1:], call.scope.copy())
        elif call.name != "pg_restore" or name != "-":
            paths.check_written(shell.policy, name, call.scope.cwd)
    return UNKNOWN


def _read_archive(shell: Shell, call: Call, operands: list[str]) -> str:
    for name in operands:
        paths.check_read(shell.policy, name, call.scope.cwd)
    return UNKNOWN


def require_test(policy: Policy, call: Call, place: Place) -> None:
    """Refuse everything but the test database, with the line to write instead."""
    if place.verdict == TEST:
        return
    host = next((h for h in policy.test.hosts if h), "127.0.0.1")
    role = f" -U {policy.test.roles[0]}" if policy.test.roles else ""
    line = f"write: {call.name} -h {host} -p {policy.test.db_port}{role} -d {policy.test.database}"
    if call.name in ("createdb", "dropdb"):
        line = line.replace(" -d ", " ")
    if place.verdict == PRODUCTION:
        raise Refused(f"{call.name} would connect to production ({place.said})", line)
    if place.verdict == UNNAMED:
        raise Refused(f"{call.name} names no server, so it is not proven to be the test database", line)
    raise Refused(f"{call.name} would connect to {place.said}, not proven to be the test database", line)


def _arguments(call: Call) -> tuple[dict[str, list[str]], list[str]]:
    """Options by their letter with all of their values, and the operands, as getopt_long reads them."""
    with_value, _ = _PROGRAMS[call.name]
    options: dict[str, list[str]] = {}
    operands: list[str] = []
    words = list(call.argv[1:])
    while words:
        word = words.pop(0)
        if word == "--":
            operands += words
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            letter = _letter(name, equals)
            if letter and letter in with_value + "dhpU":
                options.setdefault(letter, []).append(value if equals else words.pop(0) if words else "")
            elif letter is None and not equals and words and name and not words[0].startswith("-") and UNKNOWN in name:
                operands.append(UNKNOWN)
            continue
        if not word.startswith("-") or word == "-":
            operands.append(word)
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == UNKNOWN:
                operands.append(UNKNOWN)
            elif letter in with_value:
                options.setdefault(letter, []).append(letters or (words.pop(0) if words else ""))
                break
            else:
                options.setdefault(letter, [])
    return options, operands


def _letter(name: str, equals: str) -> str | None:
    """The short form of a long option, which may be cut as getopt_long allows."""
    if name in _LONG:
        return _LONG[name]
    if name in _FLAGS or len(name) < 2:
        return None
    fitting = {letter for full, letter in _LONG.items() if full.startswith(name)}
    return fitting.pop() if len(fitting) == 1 else None


def libpq_place(
    policy: Policy, env: dict[str, Values], hosts: list[str], ports: list[str], databases: list[str]
) -> Place:
    """Where libpq would connect: connection strings before options before the service file before the environment."""
    hosts, ports, names, services = list(hosts), list(ports), [], []
    stated: list[Place] = []
    for text in databases:
        if "://" in text or text.startswith("postgres"):
            place = url_place(policy, text, hosts=hosts, ports=ports)
            if place is not None:
                stated.append(place)
                continue
        if "=" in text:
            given = conninfo(text)
            hosts += [v for k in ("host", "hostaddr") if k in given for v in given[k].split(",")]
            ports += given["port"].split(",") if "port" in given else []
            names += [given["dbname"]] if "dbname" in given else []
            services += [given["service"]] if "service" in given else []
        else:
            names.append(text)
    if any(p.verdict != TEST for p in stated):
        return next(p for p in stated if p.verdict != TEST)
    if stated and not services and not names:
        return stated[0]
    return _completed(policy, env, hosts, ports, names, services)


def _completed(
    policy: Policy, env: dict[str, Values], hosts: list[str], ports: list[str], names: list[str], services: list[str]
) -> Place:
    """What was not said is taken from the service file, then from the environment, then it is libpq's default."""
    services = services or [s for s in env.get("PGSERVICE", ()) if s]
    for service in services:
        given = _service(env, service)
        if given is None:
            return Place(UNSEEN, f"the service {service}")
        hosts = hosts or [v for k in ("host", "hostaddr") if k in given for v in given[k].split(",")]
        ports = ports or (given["port"].split(",") if "port" in given else [])
        names = names or ([given["dbname"]] if "dbname" in given else [])
    # hostaddr decides where the connection goes, whatever else is said of the host.
    addresses = [v for v in env.get("PGHOSTADDR", ()) if v]
    hosts = [*(hosts or [v for v in env.get("PGHOST", ()) if v]), *addresses]
    ports = ports or [p for v in env.get("PGPORT", ()) if v for p in v.split(",")]
    names = names or [v for v in env.get("PGDATABASE", ()) if v]
    if not ports:
        verdict = place_of(policy, hosts or [""], ["5432"], names)
        if verdict.verdict == TEST or (hosts and verdict.verdict != UNSEEN):
            return verdict
        return verdict if verdict.verdict in (PRODUCTION, UNSEEN) else Place(UNNAMED, verdict.said)
    return place_of(policy, [h for one in hosts or [""] for h in one.split(",")], ports, names)


def _service(env: dict[str, Values], service: str) -> dict[str, str] | None:
    from ringfence.guard.shell import read_text

    home = (env.get("HOME") or ("",))[0]
    places = [*env.get("PGSERVICEFILE", ()), os.path.join(home, ".pg_service.conf")]
    places += [os.path.join(v, "pg_service.conf") for v in env.get("PGSYSCONFDIR", ())]
    for place in places:
        text = read_text(place) if known(place) else None
        section: dict[str, str] | None = None
        for line in (text or "").splitlines():
            if line.strip().startswith("["):
                if section is not None:
                    break
                section = {} if line.strip() == f"[{service}]" else None
            elif section is not None and "=" in line and not line.strip().startswith("#"):
                key, _, value = line.partition("=")
                section[key.strip()] = value.strip()
        if section is not None:
            return section
    return None


def _files(shell: Shell, call: Call, options: dict[str, list[str]]) -> list[str]:
    """The scripts that psql reads, as far as they can be read."""
    if call.name not in ("psql", "pgcli", "usql", "pgbench"):
        return []
    found = []
    for name in options.get("f", []):
        if name == "-":
            continue
        paths.check_read(shell.policy, name, call.scope.cwd)
        found.append(shell.content(name, call.scope))
    return found


def judge_sql(shell: Shell, call: Call, text: str, depth: int = 0) -> None:
    """SQL may do anything on the test database; refused is what leads out of it: other servers, programs, files."""
    named = production_in(shell.policy, text) if _ELSEWHERE.search(text) or "\\" in text else None
    if named is not None and (_ELSEWHERE.search(text) or re.search(r"\\(?:c|connect|setenv)\b", text)):
        raise Refused(f"the SQL leads to production ({named})", "stay on the test database")
    for command, rest in _META.findall(text):
        _judge_meta(shell, call, command, rest.strip(), depth)
    for program in _PROGRAM.findall(text):
        shell.run_text(program.replace("''", "'"), call.scope.copy(), what="what COPY runs")
    if _DOLLAR_PROGRAM.search(text) and re.search(r"\bcopy\b", text, re.IGNORECASE):
        raise Refused("what COPY … PROGRAM runs cannot be seen", "write it as a plain text in single quotes")
    lower = text.lower()
    if "copy" in lower or "pg_read" in lower or "lo_export" in lower or "pg_ls_dir" in lower:
        place = paths.text_names(shell.policy, text)
        if place is not None:
            raise Refused(f"the SQL reads or writes {place}", "stay on the test database")


def _judge_meta(shell: Shell, call: Call, command: str, rest: str, depth: int) -> None:
    words = [w.strip("'\"") for w in rest.split("\\")[0].split()]
    if command in ("connect", "c"):
        if words and (len(words) > 1 or "=" in words[0] or "://" in words[0]):
            given = [w for w in words if not w.startswith("-reuse")]
            host, port = (given[2:3] or ["-"])[0], (given[3:4] or ["-"])[0]
            hosts = [] if host == "-" else [host]
            ports = [] if port == "-" else [port]
            if hosts or ports or "=" in given[0] or "://" in given[0]:
                names = [] if given[0] == "-" else [given[0]]
                env: dict[str, Values] = {
                    "PGHOST": (shell.policy.test.hosts[0],),
                    "PGPORT": (str(shell.policy.test.db_port),),
                }
                require_test(shell.policy, call, libpq_place(shell.policy, env, hosts, ports, names))
        if words and words[0] == shell.policy.production.database:
            raise Refused(f"\\connect {words[0]} names the database of production", "stay on the test database")
    elif command == "!":
        shell.run_text(rest, call.scope.copy(), what="what \\! runs")
    elif command in ("o", "out", "g", "gx", "w", "write"):
        if rest.startswith("|"):
            shell.run_text(rest[1:], call.scope.copy(), what=f"what \\{command} runs")
        elif words and command != "g" and command != "gx":
            paths.check_written(shell.policy, words[0], call.scope.cwd)
    elif command in ("i", "include", "ir", "include_relative") and words and depth < 8:
        paths.check_read(shell.policy, words[0], call.scope.cwd)
        judge_sql(shell, call, shell.content(words[0], call.scope), depth + 1)
