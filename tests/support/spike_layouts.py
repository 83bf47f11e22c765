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


def alf_folder(folder: Path, *, seed: int = 0, n_spikes: int = 500, n_clusters: int = 6) -> dict[str, Array]:
    """Write one probe of a session as IBL does: whole microseconds; cluster 5 is silent, metrics list 4 clusters."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        "spikes.times": np.sort(rng.integers(0, 20_000_000, n_spikes)) / 1e6,
        "spikes.clusters": rng.integers(0, n_clusters - 1, n_spikes).astype(np.int32),
        "spikes.amps": rng.random(n_spikes) * 1e-4,
        "spikes.depths": rng.random(n_spikes) * 3840,
        "clusters.channels": rng.integers(0, 384, n_clusters),
        "clusters.depths": rng.random(n_clusters) * 3840,
        "clusters.waveforms": rng.normal(size=(n_clusters, 82, 32)).astype(np.float32),
        "clusters.waveformsChannels": rng.integers(0, 384, (n_clusters, 32)),
        "channels.localCoordinates": rng.random((384, 2)) * 100,
        "channels.brainLocationIds_ccf_2017": rng.integers(1, 1000, 384),
        "_ibl_trials.intervals": np.arange(10)[:, None] * 2.0 + [0.0, 1.5],
        "_ibl_trials.contrastLeft": np.where(np.arange(10) % 2, np.nan, 0.25),
        "_ibl_trials.choice": np.where(np.arange(10) % 2, -1.0, 1.0),
        "_ibl_wheel.position": np.cumsum(rng.normal(size=200)),
        "_ibl_wheel.timestamps": np.sort(rng.random(200)) * 20,
        "_ibl_wheelMoves.intervals": np.arange(4)[:, None] * 3.0 + [0.5, 1.0],
        "_ibl_wheelMoves.peakAmplitude": rng.random(4),
        "licks.times": np.sort(rng.random(7)) * 20,
    }
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    (folder / "clusters.metrics.csv").write_text(
        ",cluster_id,firing_rate,ks2_label,label\n"
        + "".join(f"{row},{unit},{unit + 0.5},{'good' if unit else ''},{unit / 3:.3f}\n"
                  for row, unit in enumerate([0, 1, 2, 4]))
    )  # fmt: skip
    (folder / "clusters.uuids.csv").write_text("uuids\n" + "".join(f"uuid-{unit}\n" for unit in range(n_clusters)))
    return arrays


def alf_times(path: Path) -> None:
    """Write a folder of which ``path`` is the file with the spike times."""
    alf_folder(path.parent)
