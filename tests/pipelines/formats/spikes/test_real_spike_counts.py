"""Every real file of spikes at hand, and the counts that its README states: units, spikes, trials, rows.

``FILES`` has a line for each file; a file without a line, or a number that its README does not have, is a failure.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError
from connectome.pipelines.formats import read
from connectome.pipelines.formats.files.npy_array import read_npy
from connectome.pipelines.homogenise.id_tables import join, read_id_table
from connectome.pipelines.sources.listed import dandi_assets, listed_rows

pytestmark = pytest.mark.data

ALM = "guo_svoboda_alm/sub-anm00239123_ses-20170627T093549_ecephys+ogen.nwb"
ADN = "peyrache_adn_ca1/A2929-200711.nwb"
CUT = "allen_visual_coding_trunc10/sub-738651046_ses-760693773"

Counts = dict[str, int]
Reader = Callable[[Path], Counts]


def session(path: Path) -> Counts:
    """Count what is in an NWB session."""
    facts = schema.measure(read(path))
    counts = {"units": facts["/spikes"]["n_units"], "spikes": facts["/spikes"]["n_events"]}
    rows = {
        name: facts[group]["n_rows"]
        for name, group in (("trials", "/trials"), ("epochs", "/epochs"), ("ripples", "/intervals/sleep_ripples"),
                            ("electrodes", "/electrodes"))
        if group in facts
    }  # fmt: skip
    position = facts.get("/series/Position")
    return {**counts, **rows, **({"samples": position["n_samples"]} if position else {})}


def cut_session(path: Path) -> Counts:
    """Count the rows of a session whose spikes are refused."""
    with pytest.raises(FormatError, match="index beyond data"):
        read(path)
    facts = schema.measure(read(path, spikes="skip"))
    presented = [
        name for name in facts if name.startswith("/stimulus/") and name != "/stimulus/optogenetic_stimulation"
    ]
    (rows,) = {facts[name]["n_rows"] for name in presented}
    return {"stimulus tables": len(presented), "rows": rows}


def cut_field_potential(path: Path) -> Counts:
    facts = schema.measure(read(path))
    lfp = facts["/lfp/probe_769322820_lfp_data"]
    return {"channels": lfp["n_channels"], "samples": lfp["n_samples"],
            "virtual channels": facts["/series/current_source_density"]["n_channels"]}  # fmt: skip


def counts_by_trial(path: Path) -> Counts:
    tree = read(path)
    counts = tree["spike_counts"]["signal"].values
    silent = int((counts.sum(axis=1) == 0).sum())
    return {"trials": tree["trials"].sizes["row"], "units": len(counts), "spikes": int(counts.sum(dtype=np.int64)),
            "largest count": int(counts.max()), "silent units": silent}  # fmt: skip


def m1(path: Path) -> Counts:
    counts = read(path)["spike_counts"]["signal"].values
    return {"units": counts.shape[0], "bins": counts.shape[1], "spikes": int(counts.sum(dtype=np.int64)),
            "largest count": int(counts.max())}  # fmt: skip


def array(path: Path) -> Counts:
    values = read_npy(path)
    if path.name.startswith("merged"):
        return {"trials": values.shape[0], "units": values.shape[1], "spikes": int(values.sum())}
    return {"trials": values.shape[0]}


def insertions(path: Path) -> Counts:
    rows = rows_of(path)
    names = {"pid": "probes", "eid": "sessions", "subject": "subjects", "lab": "labs"}
    assert {row["pid"] for row in listed_rows("ibl-brainwide-2023-12")} == {row["pid"] for row in rows}
    return {word: len({row[name] for row in rows}) for name, word in names.items()}


def unit_table(path: Path) -> Counts:
    table = read_id_table(path, key="ecephys_unit_id")
    counts = {"rows": len(table.ids)}
    if "time_to_first_spike_fl" in table.columns:
        counts["finite"] = int(np.isfinite(table.columns["time_to_first_spike_fl"]).sum())
    if "cortical_layer" in table.columns:
        counts["unknown layer"] = int((table.columns["cortical_layer"] == 0).sum())
    if "area" in table.columns:
        area = table.columns["area"].tolist()
        counts |= {"sessions": len(set(table.columns["session"].tolist())),
                   "missing": int(np.isnan(table.columns["timescale_it"]).sum())}  # fmt: skip
        counts |= {name: area.count(name) for name in sorted(set(area))}
    return counts


def behavior_sessions(path: Path) -> Counts:
    rows = rows_of(path)
    listed = {row["ecephys_session_id"]: row for row in listed_rows("visual-behavior-sessions")}
    assert set(listed) == {row["ecephys_session_id"] for row in rows}
    return {
        "sessions": len(rows), "mice": len({row["mouse_id"] for row in rows}),
        "units": sum(int(float(row["unit_count"])) for row in rows),
        "abnormal histology": sum(bool(row["abnormal_histology"]) for row in rows),
        "abnormal activity": sum(bool(row["abnormal_activity"]) for row in rows),
    }  # fmt: skip


def assets(path: Path) -> Counts:
    held = json.loads(path.read_text(encoding="utf-8"))
    number = path.name.partition(".")[0]
    mine = {(one.path, one.size_bytes, one.sha256) for one in dandi_assets(number)}
    digests = [one["metadata"]["digest"]["dandi:sha2-256"] for one in held]
    assert mine == {(one["path"], one["size"], digest) for one, digest in zip(held, digests, strict=True)}
    return {"assets": len(held), "subjects": len({one["path"].partition("/")[0] for one in held})}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def steinmetz(n_trials: int, n_units: int, n_spikes: int, largest: int, n_silent: int) -> Counts:
    return {
        "trials": n_trials,
        "units": n_units,
        "spikes": n_spikes,
        "largest count": largest,
        "silent units": n_silent,
    }


SESSIONS = {
    "session1": steinmetz(214, 178, 63_049, 5, 1),
    "session2": steinmetz(251, 533, 178_062, 9, 4),
    "session3": steinmetz(228, 228, 74_703, 5, 9),
    "session4": steinmetz(249, 120, 25_282, 5, 2),
}
ALM_COUNTS = {"units": 4, "spikes": 34_057, "trials": 412, "electrodes": 32}

FILES: dict[str, tuple[Reader, Counts]] = {
    ALM: (session, ALM_COUNTS),
    f"{ALM}.zarr.zip": (session, ALM_COUNTS),
    ADN: (
        session,
        {"units": 15, "spikes": 98_794, "epochs": 2, "ripples": 594, "electrodes": 16, "samples": 63_527},
    ),
    f"{CUT}.trunc10.nwb": (cut_session, {"stimulus tables": 8, "rows": 10}),
    f"{CUT}_probe-769322820_ecephys.trunc10.nwb": (
        cut_field_potential,
        {"channels": 87, "samples": 10, "virtual channels": 384},
    ),
    **{
        f"steinmetz2019_visual/{name}.{suffix}": (counts_by_trial, counts)
        for name, counts in SESSIONS.items()
        for suffix in ("rds", "npz")
    },
    "stevenson_m1/m1_stevenson_2011.mat": (
        m1,
        {"units": 171, "bins": 15_536, "spikes": 2_352_815, "largest count": 26},
    ),
    "ibl_brainwide/2023_12_bwm_release.csv": (
        insertions,
        {"probes": 699, "sessions": 459, "subjects": 139, "labs": 12},
    ),
    **{
        f"ibl_brainwide/merged_{area}_ephys_in.npy": (array, {"trials": 425, "units": n_units, "spikes": n_spikes})
        for area, n_units, n_spikes in (
            ("LGd", 21, 35_273),
            ("CEA", 49, 23_958),
            ("BMA", 51, 35_503),
            ("GPe", 13, 30_441),
        )
    },
    "ibl_brainwide/intervals.npy": (array, {"trials": 425}),
    "ibl_brainwide/behav_target.npy": (array, {"trials": 339}),
    "allen_tables/layer_info.csv": (unit_table, {"rows": 99_180, "unknown layer": 50_136}),
    "allen_tables/time_to_first_spike.csv": (unit_table, {"rows": 99_180, "finite": 84_387}),
    "allen_tables/timescale_metrics.csv": (
        unit_table,
        {
            "rows": 23_524, "sessions": 58, "missing": 2_268, "VISp": 5370, "VISal": 3613, "VISam": 3423, "VISrl": 2977,
            "VISl": 2785, "VISpm": 2156, "LP": 2008, "LGd": 1192,
        },
    ),
    "allen_tables/vbn_ecephys_sessions.csv": (
        behavior_sessions,
        {"sessions": 153, "mice": 81, "units": 319_013, "abnormal histology": 49, "abnormal activity": 12},
    ),
    "dandi_assets/000009.assets.json": (assets, {"assets": 173, "subjects": 31}),
    "dandi_assets/000017.assets.json": (assets, {"assets": 39, "subjects": 10}),
    "dandi_assets/000021.assets.json": (assets, {"assets": 214, "subjects": 32}),
}  # fmt: skip
"""Path, reader, counts."""


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_counts_of_a_real_file_are_those_of_its_readme(name: str, data_dir: Path) -> None:
    path = data_dir / "neuropixels" / name
    reader, expected = FILES[name]
    assert reader(path) == expected
    stated = set(re.findall(r"\d[\d,]*", (path.parent / "README.md").read_text(encoding="utf-8")))
    stated |= {number.replace(",", "") for number in stated}
    assert {word: number for word, number in expected.items() if str(number) not in stated} == {}


def test_no_published_file_is_left_out(data_dir: Path) -> None:
    lines = (data_dir / "neuropixels/checksums.sha256").read_text(encoding="utf-8").splitlines()
    listed = {line.split(maxsplit=1)[1].lstrip("*").removeprefix("./") for line in lines if line.strip()}
    about = {name for name in listed if re.search(r"README\.md|LICENSE|\.dandiset\.yaml$", name)}
    assert listed - about == set(FILES)


def test_the_totals_of_the_four_sessions_are_those_of_the_overview(data_dir: Path) -> None:
    text = (data_dir / "neuropixels/README.md").read_text(encoding="utf-8")
    total = {word: sum(counts[word] for counts in SESSIONS.values()) for word in ("units", "spikes", "trials")}
    units = "+".join(str(counts["units"]) for counts in SESSIONS.values())
    assert f"{units} / {total['spikes']:,} | {total['trials']} trials" in text


def test_tables_of_the_article_agree_on_units_and_join_row_by_row(data_dir: Path) -> None:
    folder = data_dir / "neuropixels/allen_tables"
    layers = read_id_table(folder / "layer_info.csv", key="ecephys_unit_id")
    scales = read_id_table(folder / "timescale_metrics.csv", key="ecephys_unit_id")
    units = schema.table({"id": schema.column("row", layers.ids, "Unit id", "1")})
    joined, n_absent = join(units, scales, layers.ids, dim="row", prefix="article")
    assert n_absent == 99_180 - 23_524
    assert np.isfinite(joined["timescale_ac"].values).sum() == np.isfinite(scales.columns["timescale_ac"]).sum()
    # Row by row through a dictionary, the slow way round.
    row_of: dict[int, int] = {one: row for row, one in enumerate(scales.ids.tolist())}
    picked = np.random.default_rng(0).choice(len(layers.ids), 500, replace=False)
    areas: list[Any] = joined["area"].values.tolist()
    for at in picked.tolist():
        row = row_of.get(int(layers.ids[at]))
        assert areas[at] == ("" if row is None else scales.columns["area"][row])
        value = np.nan if row is None else scales.columns["timescale_ac"][row]
        np.testing.assert_array_equal(joined["timescale_ac"].values[at], value)
