"""Generated recordings of spikes in the layouts of sorters and laboratories; nothing was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def phy_folder(folder: Path, *, seed: int = 0, n_spikes: int = 400) -> dict[str, Array]:
    """Write what Kilosort and phy write: clusters 0, 2, 7 fire, cluster 9 is listed and silent."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    arrays = {
        "spike_times": np.sort(rng.integers(0, 300_000, n_spikes)).astype(np.uint64)[:, None],
        "spike_clusters": rng.choice([0, 2, 7], n_spikes).astype(np.int32),
        "spike_templates": rng.integers(0, 3, n_spikes).astype(np.uint32)[:, None],
        "amplitudes": rng.random(n_spikes)[:, None],
        "templates": rng.normal(size=(3, 20, 4)).astype(np.float32),
        "channel_map": np.arange(4, dtype=np.int32)[:, None],
        "channel_positions": rng.random((4, 2)) * 100,
    }
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    (folder / "params.py").write_text(
        "# written by a sorter\ndat_path = r'C:\\data\\raw.bin'\nn_channels_dat = 4\ndtype = 'int16'\noffset = 0\n"
        "sample_rate = 29999.97\nhp_filtered = False\n"
    )
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tgood\n2\tmua\n9\tnoise\n")
    (folder / "cluster_info.tsv").write_text(
        "cluster_id\tch\tdepth\tgroup\tn_spikes\n0\t1\t20.5\tgood\t9\n2\t3\t40.0\tgood\t8\n7\t2\t\t\t7\n"
    )
    return arrays


def phy_times(path: Path) -> None:
    """Write a folder of which ``path`` is the file with the spike times."""
    phy_folder(path.parent)
