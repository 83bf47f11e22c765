"""Labelled windows in the form in which braindecode hands windows to its models and trainers.

braindecode is not needed and not imported: what it expects of a dataset of windows is that item ``i`` is ``(X, y,
crop_inds)`` with ``X`` of shape (channel, time), float32, ``y`` an integer and ``crop_inds`` the window's number in its
trial and its first and last sample (exclusive), and that there are ``metadata``, ``description`` and ``get_metadata``
(braindecode 1.8, ``datasets/base.py``, ``EEGWindowsDataset``). Its preprocessing, which acts on MNE objects, has no
place here: filters and rates are those of the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from connectome.errors import UsageError

from .recordings import LabelledSource

if TYPE_CHECKING:
    from .torch import WindowDataset

__all__ = ["BraindecodeWindows"]

Array = np.ndarray[Any, Any]


class BraindecodeWindows:
    """Labelled windows as ``(X, y, crop_inds)``.

    Parameters
    ----------
    dataset : EpochDataset or StateDataset, or WindowDataset of a labelled source
        The windows, with their transforms.

    Attributes
    ----------
    metadata : pandas.DataFrame
        One row per window: ``target``, ``i_window_in_trial``, ``i_start_in_trial``, ``i_stop_in_trial``, and
        ``record``, ``subject``, ``label``. The trial of an epoch is its event; that of other windows is the recording.
    crop_inds : numpy.ndarray
        Shape (window, 3), int64.
    y : list of int
    description : pandas.Series
        Of all windows together: dataset, version, group, sampling rate, channel and label names.

    Notes
    -----
    Samples that do not count are the source's fill, 0 by default: this form has no mask.

    Examples
    --------
    >>> windows = BraindecodeWindows(EpochDataset("eegmmidb@1", group="signal", tmin_s=0, tmax_s=4))  # doctest: +SKIP
    >>> EEGClassifier(model, ...).fit(windows, y=None)  # doctest: +SKIP
    """

    def __init__(self, dataset: WindowDataset) -> None:
        source = dataset.source
        if not isinstance(source, LabelledSource):
            raise UsageError(
                "windows have labels here", subject="dataset", expected="EpochDataset or StateDataset",
                found=type(dataset).__name__,
            )  # fmt: skip
        self.dataset, frame = dataset, source.frame()
        whole = frame["row"].to_numpy() < 0
        start = np.where(whole, frame["start"], 0)
        number = frame.groupby("record").cumcount().to_numpy()
        self.crop_inds: Array = np.stack(
            [np.where(whole, number, 0), start, start + frame["n_samples"].to_numpy()], axis=1
        ).astype(np.int64)
        self.y: list[int] = source.label.tolist()
        names = ("i_window_in_trial", "i_start_in_trial", "i_stop_in_trial")
        columns = dict(zip(names, self.crop_inds.T, strict=True))
        self.metadata = pd.DataFrame({**columns, "target": self.y, **frame[["record", "subject", "label"]]})
        rates = {info.segment_rate_hz for info in source.infos}
        rate = rates.pop() if len(rates) == 1 else None
        self.description = pd.Series(
            {
                "dataset": source.provenance.dataset,
                "version": source.provenance.version,
                "group": source.group,
                "sfreq": None if rate is None else float(rate),
                "ch_names": source.channels,
                "label_names": source.label_names,
            },
            dtype=object,
        )

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Array, int, list[int]]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Array, int, list[int]]]:
        """Return some windows, read together."""
        signal = self.dataset.batch(indices)["signal"].numpy().astype(np.float32, copy=False)
        return [(signal[at], self.y[of], self.crop_inds[of].tolist()) for at, of in enumerate(map(int, indices))]

    def get_metadata(self) -> pd.DataFrame:
        """Return one row per window."""
        return self.metadata.copy()
