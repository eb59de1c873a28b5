"""python, node and others: one-liners, modules, scripts of the work tree, code that flows in."""

from __future__ import annotations

import re

from ringfence.guard import environment, migrations, packages, paths, programs
from ringfence.guard.address import production_in, refuse_production
from ringfence.guard.expansion import known, plain
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.guard.shell import Call, Shell

INTERPRETERS: dict[str, tuple[str, str, str]] = {
    # name: option with code, options with a value, framework
    **dict.fromkeys(
        ("python", "python3", "python2", "pypy", "pypy3", "ipython"),
        ("-c", "-W -X -Q --check-hash-based-pycs", "python"),
    ),
    **dict.fromkeys(
        ("node", "nodejs", "bun", "deno", "tsx", "ts-node", "babel-node", "esno", "jiti", "vite-node"),
        (
            "-e --eval -p --print -pe",
            "-r --require --loader --import --env-file --env-file-if-exists -P --project -C",
            "node",
        ),
    ),
    **dict.fromkeys(("ruby", "irb", "jruby"), ("-e", "-r -I -C", "rails")),
    **dict.fromkeys(("perl", "perl5"), ("-e -E", "-I -M -m", "python")),
    **dict.fromkeys(("php", "php8"), ("-r", "-d -c", "laravel")),
    "lua": ("-e", "-l", "python"),
    "Rscript": ("-e", "", "python"),
    "R": ("-e", "", "python"),
    "elixir": ("-e", "-r", "python"),
    "groovy": ("-e", "", "python"),
    "scala": ("-e", "", "python"),
    "osascript": ("-e", "", "python"),
    "tclsh": ("", "", "python"),
    "expect": ("-c", "-f", "python"),
    "julia": ("-e -E", "", "python"),
    "swift": ("", "", "python"),
    "pwsh": ("-c -Command", "", "python"),
}
_DATABASE_WORDS = re.compile(
    r"(?i)psycopg|asyncpg|require\(['\"]pg['\"]|from ['\"]pg['\"]|pg_connect|PDO\(|sqlalchemy|DBI->|prisma|knex"
    r"|sequelize|typeorm|DATABASE_URL|libpq|\bpsql\b|PG::|ActiveRecord|jdbc:"
)
_RUN_IN_CODE = re.compile(
    r"(?:os\.system|os\.popen|subprocess\.\w+|execSync|spawnSync|exec|spawn|system|popen|shell_exec|passthru|qx|%x)\s*\(?\s*\[?\s*"
    r"(?:[frbu]*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
)


def interpreter(shell: Shell, call: Call) -> str:
    """python, node and others: one-liners, modules, scripts of the work tree, code that flows in."""
    code_options, with_value, framework = INTERPRETERS[
        re.sub(r"[\d.]+$", "", call.name) if call.name not in INTERPRETERS else call.name
    ]
    words = list(call.marked[1:])
    while words and plain(words[0]).startswith("-") and plain(words[0]) != "-":
        option = plain(words.pop(0))
        joined = re.match(
            rf"({'|'.join(re.escape(o) for o in code_options.split() if len(o) == 2) or '(?!)'})(.+)", option
        )
        if option in ("--version", "-V", "-v", "--help", "-h") and not words:
            return UNKNOWN
        if option == "-m" and framework == "python" and words:
            return module(shell, call, words)
        if (
            option in code_options.split()
            or joined
            or (re.fullmatch(r"-[a-zA-Z]*[neE]", option) and "-e" in code_options)
        ):
            text = joined[2] if joined and option not in code_options.split() else plain(words[0]) if words else ""
            return code(shell, call, text, f"{call.name} {option}", framework)
        if option.startswith("--env-file"):
            packages.env_file(shell, call, option.partition("=")[2] or (plain(words[0]) if words else ""))
        if option in with_value.split() and words:
            words.pop(0)
    if call.name in ("bun", "deno") and words and plain(words[0]) in ("run", "x", "test", "install", "add", "task"):
        return packages.package_runner(shell, call)
    if not words or plain(words[0]) == "-":
        text = call.stdin
        return code(shell, call, text, f"what flows into {call.name}", framework) if text else UNKNOWN
    name = plain(words[0])
    call.marked, call.argv = [call.marked[0], *words], [call.argv[0], *map(plain, words)]
    if name.endswith("manage.py") and framework == "python":
        return migrations.judge(shell, call.named("django", words[1:]), "django")
    base = name.rsplit("/", 1)[-1]
    if base in migrations.TOOLS and base != "migrate":
        return migrations.judge(shell, call.named(base, words[1:]), base)
    text = shell.content(name, call.scope)
    if not known(text) and known(name) and (call.scope.path(name) in call.scope.written):
        raise Refused(
            f"{name} is written by the same command, so it cannot be read before it runs", "run it in a second step"
        )
    if known(text):
        return code(shell, call, text, name, framework)
    return programs.ordinary(shell, call, framework=framework)


def code(shell: Shell, call: Call, text: str, what: str, framework: str) -> str:
    """Program text: it must not name production, start programs that would be refused, or touch what is protected."""
    if not known(text):
        named = production_in(shell.policy, text.replace(UNKNOWN, " "))
        if named or len(text.replace(UNKNOWN, "").strip()) < 40 or _DATABASE_WORDS.search(text):
            raise Refused(f"{what} cannot be seen before it runs", "write the program out, or into a file")
    refuse_production(shell.policy, text, what=what)
    place = paths.text_names(shell.policy, text)
    if place is not None:
        raise Refused(f"{what} names {place}, which protects production", "leave it alone")
    for started in _RUN_IN_CODE.findall(text):
        command = started[1:-1].replace("\\'", "'").replace('\\"', '"')
        if re.search(r"\bgit\W+push\b|psql|pg_|docker|dropdb|createdb|kubectl|ringfence", command + text[:0]):
            shell.run_text(command, call.scope.copy(), what=f"what {what} starts")
    if re.search(r"['\"]git['\"],\s*['\"]push['\"]", text):
        raise Refused(f"{what} pushes to the remote repository", "the workflow pushes")
    files = set(re.findall(r"['\"/](\.env(?:\.[\w-]+)+)['\"]", text))
    for name in files:
        _judge_dotenv(shell, call, name)
    return programs.ordinary(shell, call, framework=framework)


def _judge_dotenv(shell: Shell, call: Call, name: str) -> None:
    content = shell.content(name, call.scope)
    if known(content):
        for value in environment.dotenv(content).values():
            refuse_production(shell.policy, value, what=f"{name}, which the program reads,")


def module(shell: Shell, call: Call, words: list[str]) -> str:
    """``python -m``."""
    name = plain(words[0])
    if name == "django":
        return migrations.judge(shell, call.named("django", words[1:]), "django")
    inner = name.split(".")[0].replace("_", "-")
    if inner in INTERPRETERS or inner == "pip":
        return programs.ordinary(shell, call.named("pip", words[1:]), framework="python")
    if not known(name):
        raise Refused("which module that is cannot be seen", "write it out")
    return shell.call(call.named(inner, words[1:]))
