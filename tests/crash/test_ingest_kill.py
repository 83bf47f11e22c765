"""An ingest that is killed, wherever it is: nothing half made, and the next one goes on from what is finished."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from connectome.errors import RunnerError
from connectome.pipelines.ingest import IngestResult, ingest
from connectome.store import Repository
from support import killing
from support.ingesting import assert_nothing_half_made, contents

if TYPE_CHECKING:
    from connectome.pipelines.observe import Stage

pytestmark = pytest.mark.data

DATASET = "celegans-connectomes"
SELECT = "white1986-jse,white1986-n2u"
STAGES = {
    "fetch": r"raw/",
    "write": r"staging/white1986-",
    "publish": rf"{DATASET}/records",
    "remember": rf"staging/{DATASET}(/|$)",
    "commit": rf"{DATASET}/versions",
    "refs": rf"{DATASET}/refs",
}
"""What each stage of an ingest changes below a root; discovery changes nothing."""
KILLS_PER_STAGE = 3


@pytest.fixture(scope="module")
def worms(data_dir: Path) -> Path:
    return data_dir / "worm"


@pytest.fixture(scope="module")
def undisturbed(worms: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, killing.Outcome]:
    """An ingest that nobody kills."""
    root = tmp_path_factory.mktemp("undisturbed") / "root"
    return root, killing.undisturbed(partial(run, root, worms), root=root)


def run(root: Path, worms: Path, **options: object) -> IngestResult:
    return ingest(Repository(root), DATASET, select=SELECT, mirror=worms, **options)  # type: ignore[arg-type]


def finished(root: Path) -> set[str]:
    """Return the records that a killed ingest had finished."""
    receipts = (root / "staging" / DATASET).glob("*.json")
    found = {json.loads(path.read_bytes())["record"] for path in receipts}
    latest = Repository(root).latest(DATASET)
    return found | (set(latest.records) if latest else set())


def check_next(root: Path, worms: Path, undisturbed: tuple[Path, killing.Outcome]) -> IngestResult:
    """Check what a kill left, ingest again, and compare with the ingest that nobody killed."""
    assert_nothing_half_made(root)
    done = finished(root)
    had_version = Repository(root).latest(DATASET) is not None
    again = run(root, worms)
    whole, outcome = undisturbed
    assert again.digest == outcome.result.digest
    assert (again.version, again.created) == ("1.0.0", not had_version)
    assert set(again.reused) == done, "finished records are not made again"
    assert contents(root / DATASET / "records") == contents(whole / DATASET / "records")
    assert (root / DATASET / "refs" / "latest").read_text() == "1.0.0\n" or had_version
    assert_nothing_half_made(root)
    return again


def test_every_step_of_an_ingest_belongs_to_a_known_stage(undisturbed) -> None:
    _, outcome = undisturbed
    strays = [step.path for step in outcome.steps if not any(re.match(item, step.path) for item in STAGES.values())]
    assert set(strays) <= {".", DATASET, "staging", "raw"}


@pytest.mark.parametrize("torn", [False, True], ids=["clean", "torn"])
@pytest.mark.parametrize("stage", list(STAGES))
def test_killed_at_a_stage_it_is_resumed_by_the_next(
    stage: str, torn: bool, worms: Path, undisturbed: tuple[Path, killing.Outcome], tmp_path: Path
) -> None:
    steps = [step for step in undisturbed[1].steps if re.match(STAGES[stage], step.path)]
    assert steps, f"the stage {stage} changes nothing"
    # Clean and torn kills share the steps between them.
    n_kills = 2 * KILLS_PER_STAGE
    chosen = sorted({round(1 + (len(steps) - 1) * at / (n_kills - 1)) for at in range(n_kills)})
    reused = 0
    for number in chosen[torn::2]:
        root = tmp_path / str(number)
        action = partial(run, root, worms)
        killed = killing.run(action, root=root, kill_at=number, torn=torn, within=STAGES[stage])
        assert killed.killed
        assert re.match(STAGES[stage], killed.steps[-1].path)
        reused += len(check_next(root, worms, undisturbed).reused)
    if stage in {"commit", "refs"}:
        assert reused == 2 * len(chosen[torn::2])


class KillAt:
    """Ends the process when it comes to a stage, or has finished an item of it."""

    def __init__(self, moment: str, stage: Stage) -> None:
        self._moment, self._stage = moment, stage

    def begin(self, stage: Stage, total: int) -> None:
        self._come("begin", stage)

    def item(self, stage: Stage, name: str, outcome: str) -> None:
        self._come("item", stage)

    def end(self, stage: Stage) -> None:
        self._come("end", stage)

    def _come(self, moment: str, stage: Stage) -> None:
        if (moment, stage) == (self._moment, self._stage):
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("moment", ["begin", "item", "end"])
@pytest.mark.parametrize("stage", ["fetch", "discover", "make", "commit"])
def test_killed_between_two_stages_it_is_resumed_by_the_next(moment, stage, worms, undisturbed, tmp_path) -> None:
    root = tmp_path / "root"
    action = partial(run, root, worms, observer=KillAt(moment, stage))
    assert killing.run(action, root=root, kill_at=sys.maxsize).killed
    expected = {("make", "item"): 1, ("make", "end"): 2, ("commit", "begin"): 2}
    again = check_next(root, worms, undisturbed)
    if stage in {"make", "commit"} and (stage, moment) != ("make", "begin"):
        assert len(again.reused) == expected.get((stage, moment), 2)
    if stage != "fetch" or moment == "end":
        assert again.bytes_downloaded == 0, "what was fetched had stayed"


def test_killed_again_in_the_resumed_run_it_still_comes_to_the_end(worms, undisturbed, tmp_path) -> None:
    root = tmp_path / "root"
    action = partial(run, root, worms)
    n_kills = 0
    for kill_at in (3, 8, 15, 25, 15, 8, 3):
        n_kills += killing.run(action, root=root, kill_at=kill_at, torn=True).killed
        assert_nothing_half_made(root)
    assert n_kills >= 5
    check_next(root, worms, undisturbed)


class KillWorkers:
    """Kills every worker process when the first record is finished."""

    def __init__(self) -> None:
        self.killed: list[int] = []

    def begin(self, stage: Stage, total: int) -> None:
        pass

    def item(self, stage: Stage, name: str, outcome: str) -> None:
        if stage == "make" and not self.killed:
            self.killed = [child.pid for child in multiprocessing.active_children() if child.pid]
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)

    def end(self, stage: Stage) -> None:
        pass


def test_workers_that_are_killed_are_told_of_and_the_next_run_goes_on(worms, tmp_path) -> None:
    repository, killer = Repository(tmp_path / "root"), KillWorkers()
    chosen = {"select": "white1986-*,witvliet2020-8*", "mirror": worms}
    with pytest.raises(RunnerError) as caught:
        ingest(repository, DATASET, **chosen, runner="processes", workers=2, observer=killer)
    assert len(killer.killed) == 2
    assert caught.value.kind == "runner"
    assert "run the command again" in caught.value.hint
    assert repository.latest(DATASET) is None
    assert_nothing_half_made(repository.path)
    done = finished(repository.path)
    assert 1 <= len(done) < 7
    again = ingest(repository, DATASET, **chosen)
    assert set(again.reused) == done
    assert len(again.added) == 7


SCRIPT = """
import os, signal, sys
from connectome.pipelines.ingest import ingest
from connectome.store import Repository

class Killer:
    def begin(self, stage, total): pass
    def end(self, stage): pass
    def item(self, stage, name, outcome):
        if stage == "make":
            os.kill(os.getpid(), signal.SIGKILL)

root, mirror, dataset, select = sys.argv[1:]
ingest(Repository(root), dataset, select=select, mirror=mirror, runner="processes", workers=2, observer=Killer())
"""


def test_a_killed_coordinator_takes_its_workers_with_it_and_is_resumed(worms, tmp_path) -> None:
    root, select = tmp_path / "root", "white1986-*,witvliet2020-8*"
    words = [sys.executable, "-c", SCRIPT, str(root), str(worms), DATASET, select]
    # The pipe ends when the last of its holders does: a worker that stayed would hold it open beyond the time limit.
    killed = subprocess.run(words, stderr=subprocess.PIPE, check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert_nothing_half_made(root)
    done = finished(root)
    assert done
    again = ingest(Repository(root), DATASET, select=select, mirror=worms)
    assert set(again.reused) == done
    assert len(again.added) == 7
