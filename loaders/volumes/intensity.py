"""How stored numbers become the numbers that a model sees: from the statistics that a record carries.

All of it is one linear map per image, and perhaps limits, so nothing is computed twice and no voxel is read to
learn a mean. Statistics are those of physical values (after the header's slope and intercept).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from connectome.errors import UsageError

from ..recordings.moments import Moments
from ..recordings.transforms import Fitted, Learned

if TYPE_CHECKING:
    from .cohort import VolumeCohort

__all__ = [
    "NORMALISATIONS",
    "FittedZScore",
    "Intensity",
    "Normalisation",
    "PercentileRange",
    "ZScoreEach",
    "scale_into",
]

Array = np.ndarray[Any, Any]
Statistics = Mapping[str, Any]
_EXACT_IN_FLOAT32 = frozenset({"b1", "u1", "i1", "u2", "i2", "f2", "f4"})


@dataclass(frozen=True)
class Intensity:
    """``physical value * scale + shift``, between ``low`` and ``high``."""

    scale: float = 1.0
    shift: float = 0.0
    low: float = -np.inf
    high: float = np.inf

    def after(self, slope: float, intercept: float) -> Intensity:
        """Return the same from stored numbers, which are ``slope * stored + intercept``."""
        return Intensity(self.scale * slope, self.scale * intercept + self.shift, self.low, self.high)


class Normalisation(Protocol):
    """What gives every image of every record its map."""

    def intensity(self, statistics: Statistics, *, image: str, subject: str) -> Intensity:
        """Return the map of one image from its stored statistics."""
        ...


@dataclass(frozen=True)
class ZScoreEach:
    """Subtract the mean of the image and divide by its standard deviation (by 1 where it has none)."""

    foreground: bool = True
    """Whether both are those of voxels that are not 0, else of all finite voxels."""

    def intensity(self, statistics: Statistics, *, image: str, subject: str) -> Intensity:
        """Return the map of one image from its stored statistics."""
        some = statistics["nonzero"] if self.foreground else statistics
        mean, std = _number(some, "mean", image, subject), _number(some, "std", image, subject)
        scale = 1.0 / std if std > 0 else 1.0
        return Intensity(scale, -mean * scale)


@dataclass(frozen=True)
class PercentileRange:
    """Put two percentiles of the image at 0 and 1, and cut off what lies beyond."""

    low: float = 0.5
    high: float = 99.5
    """Percentiles that are stored: 0.5, 1, 5, 25, 50, 75, 95, 99, 99.5."""
    foreground: bool = False
    clip: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise UsageError("the low percentile is below the high one", subject="PercentileRange", found=repr(self))

    def intensity(self, statistics: Statistics, *, image: str, subject: str) -> Intensity:
        """Return the map of one image from its stored statistics."""
        some = statistics["nonzero"] if self.foreground else statistics
        low, high = (_number(some["percentiles"], f"p{at:g}", image, subject) for at in (self.low, self.high))
        scale = 1.0 / (high - low) if high > low else 1.0
        limits = (0.0, 1.0) if self.clip else (-np.inf, np.inf)
        return Intensity(scale, -low * scale, *limits)


NORMALISATIONS: dict[str, Normalisation] = {
    "z-score": ZScoreEach(),
    "z-score-all": ZScoreEach(foreground=False),
    "percentiles": PercentileRange(),
}


class FittedZScore(Learned):
    """Subtract one mean and divide by one standard deviation per modality, learned from the training part.

    Examples
    --------
    >>> train = PatchDataset("epilepsy@1", images=["t1w"], split="by-patient/train")  # doctest: +SKIP
    >>> scale = FittedZScore.fit(train)  # doctest: +SKIP
    >>> test = PatchDataset("epilepsy@1", images=["t1w"], split="by-patient/test", normalise=scale)  # doctest: +SKIP
    """

    name = "volume-z-score"

    def __init__(self, fitted: Fitted, *, foreground: bool = True) -> None:
        self.fitted, self.foreground = fitted, bool(foreground)

    @classmethod
    def fit(cls, data: Any, *, foreground: bool = True, allow_leak: bool = False) -> FittedZScore:
        """Learn from the stored statistics of every image of a source; exact, and no voxel is read.

        Parameters
        ----------
        data : PatchSource, VolumeSource or a dataset made of one
            Made with ``split="NAME/train"``.
        foreground : bool
            Whether only voxels that are not 0 count.
        allow_leak : bool
            Whether the result may be applied although ``data`` is not a training part. It is saved along.

        Raises
        ------
        UsageError
            When a record has no statistics, or no record has an image.
        """
        source: VolumeCohort = getattr(data, "source", data)
        merged = [Moments.none(1) for _ in source.images]
        for record in range(len(source.records)):
            for at, image in enumerate(source.images):
                if not source.has(record, image):
                    continue
                some = source.statistics(record, image)
                some = some["nonzero"] if foreground else some
                n, mean, std = (float(some[name] or 0) for name in ("n_finite", "mean", "std"))
                part = Moments(np.array([n]), np.array([mean]), np.array([std * std * n]))
                merged[at] = merged[at].merge(part)
        empty = [image for image, moments in zip(source.images, merged, strict=True) if not moments.n[0]]
        if empty:
            raise UsageError("no record has such an image to learn from", subject=", ".join(empty))
        fitted = Fitted(
            mean=tuple(float(moments.mean[0]) for moments in merged),
            std=tuple(float(np.sqrt(moments.squares[0] / moments.n[0])) for moments in merged),
            n=tuple(int(moments.n[0]) for moments in merged),
            channels=source.channels,
            fitted_on=source.provenance,
            allow_leak=allow_leak,
        )
        return cls(fitted, foreground=foreground)

    def parameters(self) -> dict[str, Any]:
        """Return what was chosen rather than learned."""
        return {"foreground": self.foreground}

    def check(self, source: Any) -> None:
        """Raise :class:`~connectome.errors.LeakError` unless it was fitted on the training part that is meant."""
        self.fitted.check(source)

    def intensity(self, statistics: Statistics, *, image: str, subject: str) -> Intensity:
        """Return the map of a modality; the statistics of the image itself do not matter."""
        del statistics, subject
        at = (self.fitted.channels or ()).index(image)
        scale = 1.0 / self.fitted.std[at] if self.fitted.std[at] > 0 else 1.0
        return Intensity(scale, -self.fitted.mean[at] * scale)


def _number(some: Statistics, name: str, image: str, subject: str) -> float:
    value = some.get(name)
    if value is None:
        raise UsageError(
            "the image has no such statistic; perhaps it has no such voxel",
            subject=subject,
            place=f"{image}, {name}",
            expected=", ".join(some),
        )
    return float(value)


def scale_into(destination: Array, values: Array, intensity: Intensity) -> None:
    """Write ``values * scale + shift``, between the limits, into an array of floats.

    Numbers that a float32 holds exactly are computed with in the destination's precision, others in float64.
    """
    if intensity == Intensity():
        np.copyto(destination, values, casting="unsafe")
        return
    if values.dtype.str[1:] in _EXACT_IN_FLOAT32:
        np.multiply(values, destination.dtype.type(intensity.scale), out=destination, dtype=destination.dtype)
        if intensity.shift:
            np.add(destination, destination.dtype.type(intensity.shift), out=destination)
    else:
        np.copyto(destination, values * intensity.scale + intensity.shift, casting="unsafe")
    if np.isfinite(intensity.low) or np.isfinite(intensity.high):
        np.clip(destination, intensity.low, intensity.high, out=destination)
