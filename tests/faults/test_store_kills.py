"""F01-F03, F09: the tool is killed between any two system calls that change the backup directory.

One driver process forks a child for every point and kills it there; the directories it leaves are looked at here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.cases.drivers import ROOT
from tests.unit.backup.stage import Stage

from ringfence.backup.formats.choice import FORMATS
from ringfence.backup.model import FormatName

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

DRIVER = """
    import os, random, shutil, sys
    from pathlib import Path
    from tests.unit.backup.stage import Stage

    NAMES = ("mkdir", "open", "link", "unlink", "rename", "rmdir", "fsync", "chmod")
    REAL = {name: getattr(os, name) for name in NAMES}

    def die_before(call):
        count = 0
        def counted(name):
            def wrapped(*arguments, **options):
                nonlocal count
                count += 1
                if count == call:
                    os.kill(os.getpid(), 9)
                return REAL[name](*arguments, **options)
            return wrapped
        for name in NAMES:
            setattr(os, name, counted(name))

    def killed(call, act):
        child = os.fork()
        if child == 0:
            try:
                die_before(call)
                act()
                os._exit(0)
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
        return os.waitpid(child, 0)[1] == 9

    base, form, again_each = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    pristine = base / "pristine"
    Stage.at(pristine, form=form).make("b1", "b2")
    chance = random.Random(1)
    call = 0
    while True:
        call += 1
        once = base / f"once-{call}"
        shutil.copytree(pristine, once)
        stage = Stage.at(once, form=form)
        if not killed(call, lambda: stage.make("b3", keep=2)):
            break
        for again in chance.sample(range(1, 25), again_each):
            twice = base / f"twice-{call}-{again}"
            shutil.copytree(once, twice)
            other = Stage.at(twice, form=form)
            killed(again, lambda: other.make("b4", keep=2))
    print("points", call - 1)
    """


def must_hold(stage: Stage) -> None:
    """What is always true, before anybody cleared anything up."""
    sound = {e.id: e for e in stage.store.entries() if e.problem is None}
    assert len(sound) >= 2, "there were two, and at least two are kept"
    for entry in sound.values():
        assert entry.manifest is not None and entry.dump_path is not None
        data = entry.dump_path if stage.form.name == "custom" else entry.dump_path / "11.dat"
        assert stage.form.damage(entry.dump_path, entry.manifest) is None
        assert data.read_bytes() == f"dump {entry.id}".encode()
        assert json.loads(entry.manifest_path.read_bytes())["id"] == entry.id
    assert "b2" in sound or {"b3", "b4"} <= sound.keys(), "what is newer goes only when newer ones are in place"


@pytest.mark.parametrize("again_each", [0, pytest.param(4, marks=pytest.mark.long)], ids=["once", "twice"])
@pytest.mark.parametrize("form", FORMATS)
def test_killed_at_any_point_nothing_sound_is_lost_and_the_next_writer_clears_up(
    tmp_path: Path, form: FormatName, again_each: int
) -> None:
    argv = [sys.executable, "-c", textwrap.dedent(DRIVER), str(tmp_path), form, str(again_each)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=120, check=True)
    assert done.stdout.startswith("points ") and int(done.stdout.split()[1]) > 25, done.stdout
    places = [p for p in tmp_path.iterdir() if p.name != "pristine"]
    assert len(places) > (100 if again_each else 25)
    for place in places:
        stage = Stage.at(place, form=form)
        must_hold(stage)
        with stage.store.writing():
            pass
        must_hold(stage)
        assert set(stage.problems().values()) == {None}, f"{place.name}: {stage.problems()}"
        assert stage.store.foreign() == (), place.name
        assert not [n for n in stage.names() if n.startswith(".")], place.name
        kept = sorted(p.name for p in stage.store.copies.iterdir())
        assert kept == sorted(f"{name}.manifest.json" for name in stage.problems()), place.name
        stage.make("b9", keep=2)
        assert len(stage.problems()) == 2 and stage.store.newest().id == "b9"
