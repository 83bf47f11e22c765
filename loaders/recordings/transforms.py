"""Transforms that learn, fitted on the training part only, and one that never looks ahead.

A transform takes a batch of :class:`~connectome.loaders.recordings.windows.Windows` and returns one. Those that have
learned something are first bound to the source of the windows (``bind``); binding refuses statistics that were learned
from anything but the training part of the split that is being read. State is saved as JSON with the version
it comes from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np

from connectome.errors import DamagedError, LeakError, UsageError

from ..reading.provenance import Provenance
from .moments import Moments, causal_moments
from .windows import Windows, WindowSource

__all__ = ["BindableTransform", "CausalZScore", "Transform", "ZScore", "bind"]

Array = np.ndarray[Any, Any]
Transform = Callable[[Windows], Windows]
TRAINING_PART = "train"
BLOCK_SAMPLES = 256
"""A causal transform keeps its state at every so many samples of a range, and starts from there."""
FIT_SAMPLES = 1 << 14
"""Samples read at a time while fitting."""


@runtime_checkable
class BindableTransform(Protocol):
    """A transform that needs to know where its windows come from."""

    def bind(self, source: WindowSource) -> Transform:
        """Return the transform for the windows of a source."""
        ...


def bind(
    transform: Transform | BindableTransform | Sequence[Transform | BindableTransform] | None, source: WindowSource
) -> list[Transform]:
    """Return transforms in order, each bound to the source where it asks for that."""
    if transform is None:
        return []
    steps = transform if isinstance(transform, Sequence) else [transform]
    bound = [step.bind(source) if isinstance(step, BindableTransform) else step for step in steps]
    late = [step for step in bound[1:] if getattr(step, "reads_stored", False)]
    if late:
        raise UsageError(
            "a transform that reads the stored samples comes first, and there is one at most",
            subject="transform",
            found=type(late[0]).__name__.removeprefix("_Bound"),
            hint="reorder them",
        )
    return bound


@dataclass(frozen=True)
class Fitted:
    """State that was learned from a source."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    n: tuple[int, ...]
    """Samples that counted, per channel."""
    channels: tuple[str, ...] | None
    """Names along the channel axis; None where one value serves all."""
    fitted_on: Provenance
    allow_leak: bool
    """Whether it may be applied although it was not fitted on the training part alone."""

    def check(self, source: WindowSource) -> None:
        """Raise unless the source may be transformed with this."""
        if self.channels is not None and self.channels != source.channels:
            raise UsageError(
                "the statistics belong to other channels",
                subject=source.provenance.dataset,
                expected=f"{len(self.channels)} channels: {', '.join(self.channels[:8])} ...",
                found=", ".join(source.channels[:8]) if source.channels else "channels that differ among the records",
                hint="choose a view with neurons=[...] for both, or fit with per='all'",
            )
        if source.provenance.view != self.fitted_on.view:
            raise UsageError(
                "the statistics were fitted on another view",
                subject=source.provenance.dataset,
                expected=self.fitted_on.view or "samples as they are stored",
                found=source.provenance.view or "samples as they are stored",
                hint="the same filters=... and resample_hz=... for both",
            )
        if self.allow_leak:
            return
        here, there = source.provenance, self.fitted_on
        problem = None
        if there.part != TRAINING_PART:
            problem = f"part {there.part}" if there.part else "whole records, no split"
        elif here.dataset != there.dataset or here.digest != there.digest:
            problem = f"{there.dataset}@{there.version} ({there.digest[:12]})"
        elif here.split_digest != there.split_digest:
            problem = f"the training part of split {there.split}"
        if problem is not None:
            wanted = f"{here.dataset}@{here.version}, {here.split or 'a split'}/{TRAINING_PART}"
            raise LeakError(
                "the statistics were not fitted on the training part of what they are applied to",
                subject=wanted.partition(",")[0],
                expected=wanted,
                found=problem,
                hint=f"fit on a dataset with split='NAME/{TRAINING_PART}', or say allow_leak=True when fitting",
            )


def _fit(source: Any, *, per: Literal["channel", "all"], allow_leak: bool) -> Fitted:
    source = _source_of(source)
    if per == "channel" and source.channels is None:
        raise UsageError(
            "channels differ among the records, so there is nothing to fit per channel",
            subject=source.provenance.dataset,
            hint="choose a view with neurons=[...], or fit with per='all'",
        )
    moments = Moments.none(source.n_channels)
    for signal, mask in _blocks(source):
        moments = moments.merge(Moments.of(signal, mask))
    if per == "all":
        whole = Moments.none(1)
        for at in range(source.n_channels):
            whole = whole.merge(
                Moments(moments.n[at : at + 1], moments.mean[at : at + 1], moments.squares[at : at + 1])
            )
        moments = whole
    return Fitted(
        mean=tuple(moments.mean.tolist()),
        std=tuple(moments.std().tolist()),
        n=tuple(int(n) for n in moments.n),
        channels=source.channels if per == "channel" else None,
        fitted_on=source.provenance,
        allow_leak=allow_leak,
    )


def _source_of(data: Any) -> WindowSource:
    source = getattr(data, "source", data)
    if not isinstance(source, WindowSource):
        raise UsageError("statistics are fitted on windows", subject="fit", found=type(data).__name__)
    return source


def _blocks(source: WindowSource) -> Iterator[tuple[Array, Array]]:
    """Yield all samples of the ranges once, however the windows overlap."""
    for range_, (begin, end) in enumerate(zip(source.index.begin.tolist(), source.index.end.tolist(), strict=True)):
        for at in range(begin, end, FIT_SAMPLES):
            yield source.stretch(range_, at, min(at + FIT_SAMPLES, end))


class Learned:
    """What fitted transforms share: their state on disk."""

    name: str
    fitted: Fitted

    def parameters(self) -> dict[str, Any]:
        """Return what was chosen rather than learned."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"transform": self.name, "version": 1, **self.parameters(), "fitted": asdict(self.fitted)}

    def save(self, path: str | Path) -> None:
        """Write the state as JSON, whole or not at all."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(self.as_dict(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(path)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what :meth:`as_dict` returned."""
        rest = {key: value for key, value in values.items() if key not in {"transform", "version", "fitted"}}
        if values["transform"] != cls.name or values["version"] != 1:
            raise UsageError(
                "the state is of another transform",
                subject=cls.__name__,
                expected=f"{cls.name}, version 1",
                found=f"{values['transform']}, version {values['version']}",
            )
        state = dict(values["fitted"])
        for key in ("mean", "std", "n"):
            state[key] = tuple(state[key])
        state["channels"] = None if state["channels"] is None else tuple(state["channels"])
        fitted = Fitted(**{**state, "fitted_on": Provenance(**state["fitted_on"])})
        return cls(fitted, **rest)

    def __init__(self, fitted: Fitted, **parameters: Any) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a saved state.

        Raises
        ------
        DamagedError
            When the file is no such state.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls.from_dict(values)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise DamagedError("not a saved transform", subject=str(path), found=repr(error)) from error


class ZScore(Learned):
    """Subtract the mean and divide by the standard deviation of the training part.

    Channels that had fewer than two samples there, or no spread, cannot be scaled: they are masked.

    Examples
    --------
    >>> train = WindowDataset("eeg@1", window=200, split="by-patient/train")  # doctest: +SKIP
    >>> zscore = ZScore.fit(train)  # doctest: +SKIP
    >>> test = WindowDataset("eeg@1", window=200, split="by-patient/test", transform=zscore)  # doctest: +SKIP
    """

    name = "z-score"

    def __init__(self, fitted: Fitted, **parameters: Any) -> None:
        if parameters:
            raise UsageError("unknown parameters", subject="ZScore", found=", ".join(parameters))
        self.fitted = fitted

    @classmethod
    def fit(cls, data: Any, *, per: Literal["channel", "all"] = "channel", allow_leak: bool = False) -> ZScore:
        """Learn mean and standard deviation from all samples of the ranges of a source, each counted once.

        Parameters
        ----------
        data : WindowSource or WindowDataset
            Made with ``split="NAME/train"``.
        per : {"channel", "all"}
            One mean per channel, or one for all samples.
        allow_leak : bool
            Whether the result may be applied although ``data`` is not a training part. It is saved along.
        """
        return cls(_fit(data, per=per, allow_leak=allow_leak))

    def parameters(self) -> dict[str, Any]:
        """Return what was chosen rather than learned: nothing."""
        return {}

    def bind(self, source: WindowSource) -> Transform:
        """Return the transform for a source.

        Raises
        ------
        LeakError
            When the state was not fitted on the training part of the source's split.
        UsageError
            When the source has other channels.
        """
        self.fitted.check(source)
        return _BoundZScore(self.fitted, source.fill)


@dataclass(frozen=True)
class _BoundZScore:
    fitted: Fitted
    fill: float

    def __call__(self, windows: Windows) -> Windows:
        mean, std, n = (np.array(values)[:, None] for values in (self.fitted.mean, self.fitted.std, self.fitted.n))
        known = (n > 1) & (std > 0)
        mask = windows.mask & known
        scaled = (windows.signal - mean) / np.where(known, std, 1.0)
        return replace(windows, signal=np.where(mask, scaled, self.fill).astype(windows.signal.dtype), mask=mask)


class CausalZScore(Learned):
    """Scale every sample by the mean and standard deviation of the samples up to it, in the same range.

    History starts at the begin of the window's range (a segment, cut to the split's part), never before it, so that no
    window is touched by samples of another part. There, where little is known yet, the statistics of the training
    part count as ``prior_samples`` samples. Changing samples after ``t`` never changes values up to ``t``.

    Parameters
    ----------
    prior_samples : int
        How many samples the training part is worth; 0 for none, and then nothing needs to be fitted.
    min_samples : int
        Samples with fewer samples up to them (the prior included) are masked.
    """

    name = "causal-z-score"

    def __init__(self, fitted: Fitted | None = None, *, prior_samples: int = 0, min_samples: int = 2) -> None:
        if fitted is None and prior_samples:
            raise UsageError("a prior has to be fitted", subject="prior_samples", hint="CausalZScore.fit(train, ...)")
        if prior_samples < 0 or min_samples < 2:
            raise UsageError("not usable", subject="CausalZScore", expected="prior_samples >= 0 and min_samples >= 2")
        self._fitted, self.prior_samples, self.min_samples = fitted, prior_samples, min_samples

    @property
    def fitted(self) -> Fitted:  # type: ignore[override]
        """What was learned; raise :class:`~connectome.errors.UsageError` if nothing was."""
        if self._fitted is None:
            raise UsageError("nothing was fitted, so there is no state", subject="CausalZScore")
        return self._fitted

    @classmethod
    def fit(
        cls,
        data: Any,
        *,
        prior_samples: int = 30,
        min_samples: int = 2,
        per: Literal["channel", "all"] = "channel",
        allow_leak: bool = False,
    ) -> CausalZScore:
        """Learn the prior from the training part; parameters as for :meth:`ZScore.fit`."""
        fitted = _fit(data, per=per, allow_leak=allow_leak)
        return cls(fitted, prior_samples=prior_samples, min_samples=min_samples)

    def parameters(self) -> dict[str, Any]:
        """Return what was chosen rather than learned."""
        return {"prior_samples": self.prior_samples, "min_samples": self.min_samples}

    def bind(self, source: WindowSource) -> Transform:
        """Return the transform for a source.

        Raises
        ------
        LeakError
            When the prior was not fitted on the training part of the source's split.
        UsageError
            When the source has other channels.
        """
        prior = Moments.none(source.n_channels)
        if self._fitted is not None:
            self._fitted.check(source)
            mean, std, n = (
                np.broadcast_to(np.array(values, dtype=np.float64), source.n_channels)
                for values in (self._fitted.mean, self._fitted.std, self._fitted.n)
            )
            weight = np.where(n > 1, float(self.prior_samples), 0.0)
            prior = Moments(weight, np.where(n > 1, mean, 0.0), weight * std**2)
        return _BoundCausal(source, prior, self.min_samples)


class _BoundCausal:
    """A causal z-score over one source; keeps the state at every block of the ranges that it has been through."""

    reads_stored = True

    def __init__(self, source: WindowSource, prior: Moments, min_samples: int) -> None:
        self.source, self.prior, self.min_samples = source, prior, min_samples
        self._states: dict[int, list[Moments]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_states": {}}

    def __call__(self, windows: Windows) -> Windows:
        signal, mask = np.full_like(windows.signal, self.source.fill), np.zeros_like(windows.mask)
        order = np.lexsort((windows.start, windows.range)).tolist()
        for at in order:
            range_, start = int(windows.range[at]), int(windows.start[at])
            n_samples = int(self.source.index.window[range_])
            values, counts = self.scaled(range_, start, start + n_samples)
            signal[at, :, :n_samples] = np.where(counts, values, self.source.fill)
            mask[at, :, :n_samples] = counts
        return replace(windows, signal=signal, mask=mask)

    def scaled(self, range_: int, start: int, stop: int) -> tuple[Array, Array]:
        """Return scaled samples of a range and their mask, shape (channel, stop - start)."""
        begin = int(self.source.index.begin[range_])
        first = (start - begin) // BLOCK_SAMPLES
        self._advance(range_, first)
        parts = []
        for block in range(first, -(-(stop - begin) // BLOCK_SAMPLES)):
            self._advance(range_, block)
            low = begin + block * BLOCK_SAMPLES
            signal, mask = self.source.stretch(range_, low, min(low + BLOCK_SAMPLES, stop))
            moments = causal_moments(signal, mask, self._states[range_][block])
            std = moments.std()
            counts = mask & (moments.n >= self.min_samples) & (std > 0)
            values = (signal - moments.mean) / np.where(counts, std, 1.0)
            keep = slice(max(start - low, 0), None)
            parts.append((values[:, keep], counts[:, keep]))
        values, counts = (np.concatenate(side, axis=1) for side in zip(*parts, strict=True))
        return values, counts

    def _advance(self, range_: int, block: int) -> None:
        """Compute the state at the begin of blocks up to this one."""
        states = self._states.setdefault(range_, [self.prior])
        begin = int(self.source.index.begin[range_])
        while len(states) <= block:
            low = begin + (len(states) - 1) * BLOCK_SAMPLES
            after = causal_moments(*self.source.stretch(range_, low, low + BLOCK_SAMPLES), states[-1])
            states.append(Moments(after.n[:, -1], after.mean[:, -1], after.squares[:, -1]))
