"""Ending a process with SIGKILL at any step that it takes on the file system.

A child is forked for each attempt, so imports are paid for once. In the child an audit hook (PEP 578) sees every
operation that changes the file system below a folder, just before it happens, and at the step asked for the process
kills itself: no ``finally``, no flush, no farewell. What the disk then holds is what a real kill leaves behind.

With ``torn``, a file that was opened for writing just before that step is first cut to half its length, as if the kill
had come between two writes.

    steps = undisturbed(action, root=root).steps
    for step in steps:
        outcome = run(action, root=fresh_root, kill_at=step.number)
        ...check what is left...

``action`` is any callable without arguments; it runs in the child only. Operations made by compiled code without
Python's own calls (HDF5, SQLite) are not seen. Linux and macOS.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

DEADLINE_S = 120.0
"""A child that takes longer hangs."""

CHANGES = {
    "os.rename": (0, 2), "os.link": (0, 2), "os.symlink": (0, 2), "os.mkdir": (0, 2), "os.rmdir": (0, 1),
    "os.remove": (0, 1), "os.chmod": (0, 2), "os.truncate": (0, None), "os.utime": (0, 3),
}  # fmt: skip
"""Audit event to the positions of its path and of the descriptor that the path is relative to."""
SECOND_PATH = {"os.rename": (1, 3), "os.link": (1, 3), "os.symlink": (1, 2)}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
class Step:
    """One operation on the file system, counted from 1."""

    number: int
    event: str
    path: str
    """Relative to the root; where a file moves or is linked to, its new name."""

    def __str__(self) -> str:
        return f"step {self.number}: {self.event} {self.path}"


@dataclass(frozen=True)
class Outcome:
    """What became of a child."""

    killed: bool
    steps: tuple[Step, ...]
    """Every step that was begun; the last one of a killed child was not taken."""
    result: Any = None
    """What the action returned."""


def undisturbed(action: Callable[[], Any], *, root: Path) -> Outcome:
    """Run an action in a child to its end and list its steps."""
    return run(action, root=root)


def run(
    action: Callable[[], Any],
    *,
    root: Path,
    kill_at: int | None = None,
    torn: bool = False,
    within: str = "",
) -> Outcome:
    """Run an action in a child that kills itself when it comes to a step.

    Parameters
    ----------
    action : callable
        Runs in the child.
    root : Path
        The folder whose changes are steps.
    kill_at : int, optional
        The step that is not taken any more, counted from 1.
    torn : bool
        Also cut what was being written.
    within : str
        Count only steps whose path, relative to the root, begins like this regular expression: where threads take
        steps in any order, the n-th of a kind is still the n-th.

    Raises
    ------
    AssertionError
        When the action raised (with the child's traceback), died of another signal, or hung.
    """
    with tempfile.TemporaryFile() as journal, tempfile.TemporaryFile() as answer:
        with warnings.catch_warnings():
            # Python 3.12 warns of threads in the parent; zarr starts its own anew in the child.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            _child(action, _Hook(root, kill_at, torn, within, journal.fileno()), answer)
        status = _wait(pid)
        journal.seek(0)
        lines = journal.read().decode(errors="surrogateescape").split("\0")[:-1]
        steps = tuple(Step(at, *line.split("\t", 1)) for at, line in enumerate(lines, 1))
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL, f"the child died of signal {os.WTERMSIG(status)}"
            assert kill_at is not None, "the child was killed from elsewhere"
            return Outcome(True, steps)
        answer.seek(0)
        good, value = pickle.load(answer)
        assert good, f"the action failed in the child:\n{value}"
        return Outcome(False, steps, value)


def spread(steps: Sequence[Step], at_most: int) -> list[Step]:
    """Choose steps evenly, with the first and the last; all of them if there are no more than ``at_most``."""
    if len(steps) <= at_most:
        return list(steps)
    return [steps[round(at * (len(steps) - 1) / (at_most - 1))] for at in range(at_most)]


def _child(action: Callable[[], Any], hook: _Hook, answer: BinaryIO) -> None:
    try:
        sys.addaudithook(hook)
        reply: tuple[bool, Any] = (True, action())
    except BaseException:  # noqa: BLE001 - whatever it was, the parent shall see it, and this process must end here
        reply = (False, traceback.format_exc())
    try:
        pickle.dump(reply, answer)
        answer.flush()
    finally:
        os._exit(0)


class _Hook:
    """Journal and count the changes below a root; end the process at one of them."""

    def __init__(self, root: Path, kill_at: int | None, torn: bool, within: str, journal: int) -> None:
        self._root = os.path.realpath(root)
        self._kill_at, self._torn, self._journal = kill_at, torn, journal
        self._within = re.compile(within)
        self._count = 0
        self._written: str | None = None
        self._made: set[str] = set()
        # One step after the other, whichever thread takes it; what the hook itself does is no step.
        self._turn = threading.Lock()
        self._own = threading.local()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not (event == "open" or event in CHANGES) or getattr(self._own, "busy", False):
            return
        self._own.busy = True
        try:
            with self._turn:
                self._see(event, args)
        finally:
            self._own.busy = False

    def _see(self, event: str, args: tuple[Any, ...]) -> None:
        path = _changed(event, args)
        if path is None or not (path == self._root or path.startswith(self._root + os.sep)):
            return
        place = os.path.relpath(path, self._root)
        if event == "os.mkdir":
            # Of two threads that want one folder both may try to make it: that is one step, in every run.
            if place in self._made:
                return
            self._made.add(place)
        elif event in {"os.rmdir", "os.rename"}:
            self._made.discard(os.path.relpath(_changed(event, args, first=True) or path, self._root))
        self._count += self._within.match(place) is not None
        os.write(self._journal, os.fsencode(f"{event}\t{place}\0"))
        if self._count == self._kill_at:
            if self._torn and self._written is not None:
                with contextlib.suppress(OSError):
                    os.truncate(self._written, Path(self._written).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        self._written = path if event == "open" else None


def _changed(event: str, args: tuple[Any, ...], *, first: bool = False) -> str | None:
    """Return the absolute path that an event is about to change; None if it only reads.

    Of two paths it is the second, or the first if that is asked for.
    """
    if event == "open":
        name, _, flags = args
        if not isinstance(name, (str, bytes, os.PathLike)) or not flags & WRITING:
            return None
        return _absolute(name, None)
    at, folder = CHANGES[event] if first else SECOND_PATH.get(event, CHANGES[event])
    name = args[at]
    if isinstance(name, int):
        return os.path.realpath(f"/proc/self/fd/{name}")
    return _absolute(name, args[folder] if folder is not None and folder < len(args) else None)


def _absolute(name: Any, folder: int | None) -> str:
    path = Path(os.fsdecode(name))
    if not path.is_absolute():
        based = folder is not None and folder >= 0
        path = (Path(f"/proc/self/fd/{folder}").resolve() if based else Path.cwd()) / path
    # A link itself is changed, not what it points to.
    return str(path.parent.resolve() / path.name)


def _wait(pid: int) -> int:
    pause, until = 0.0005, time.monotonic() + DEADLINE_S
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError(f"the child did not end within {DEADLINE_S:.0f} s")
        time.sleep(pause)
        pause = min(2 * pause, 0.01)


def each_kill(
    action: Callable[[Path], Any],
    *,
    fresh: Callable[[], Path],
    choose: Callable[[Sequence[Step]], Sequence[Step]] = list,
    torn: bool = False,
    within: str = "",
) -> Iterator[tuple[Step, Path, Outcome]]:
    """Kill an action at each of its steps, every time in a fresh folder.

    Parameters
    ----------
    action : callable
        Takes the root; runs in a child.
    fresh : callable
        Makes a root in the state in which the action starts.
    choose : callable
        Which of the steps of an undisturbed run to kill at; all of them unless given (:func:`spread` thins them out).
    torn : bool
        Also cut what was being written.
    within : str
        As in :func:`run`: steps of this kind only. Needed for what follows upon a record's preparation, in which zarr
        takes a number of steps that differs from run to run.

    Yields
    ------
    step, root, outcome
        The step at which the process was killed, as an undisturbed run took it (zarr writes with several threads, so
        that neighbouring steps may change places), the folder as the kill left it, and what became of the child.
    """
    root = fresh()
    steps = undisturbed(lambda: action(root), root=root).steps
    kind = re.compile(within)
    counted = [step for step in steps if kind.match(step.path)]
    assert counted, "the action changes nothing"
    numbers = {step: number for number, step in enumerate(counted, 1)}
    for step in choose(counted):
        root = fresh()
        kill_at = numbers[step]
        yield step, root, run(lambda at=root: action(at), root=root, kill_at=kill_at, torn=torn, within=within)
