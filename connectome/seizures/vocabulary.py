"""Codes of events in recordings of epilepsy: SzCORE's names of seizures, which HED-SCORE and ILAE 2017 define.

Dan et al. 2025, "SzCORE: Seizure Community Open-Source Research Evaluation framework", doi:10.1111/epi.18113, table of
event types; the types are those of Fisher et al. 2017, doi:10.1111/epi.13670, as tagged by the HED library SCORE
(https://www.hedtags.org/display_hed.html).
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BACKGROUND", "SEIZURE", "SZCORE_LABELS", "is_seizure", "label_meaning"]

BACKGROUND, SEIZURE = "bckg", "sz"

_MOTOR = {
    "": "motor", "automatisms": "with automatisms", "atonic": "atonic", "clonic": "clonic",
    "spasms": "with epileptic spasms", "hyperkinetic": "hyperkinetic", "myoclonic": "myoclonic", "tonic": "tonic",
}  # fmt: skip
_STILL = {
    "": "non-motor", "autonomic": "autonomic, non-motor", "behavior": "with behaviour arrest, non-motor",
    "cognitive": "cognitive, non-motor", "emotional": "emotional, non-motor", "sensory": "sensory, non-motor",
}  # fmt: skip
_GENERALISED_MOTOR = {
    "": "motor", "tonicClonic": "tonic-clonic", "clonic": "clonic", "tonic": "tonic", "myoclonic": "myoclonic",
    "myoTC": "myoclonic-tonic-clonic", "myoAtonic": "myoclonic-atonic", "atonic": "atonic",
    "spasms": "with epileptic spasms",
}  # fmt: skip
_ABSENCE = {
    "": "absence", "typical": "typical absence", "atypical": "atypical absence", "myoclonic": "myoclonic absence",
    "eyelidMyio": "absence with eyelid myoclonia",
}  # fmt: skip
_UNKNOWN_MOTOR = {
    "": "motor", "hyperkinetic": "hyperkinetic", "myoclonic": "myoclonic", "tonicMyio": "tonic or myoclonic",
    "tonicClonic": "tonic-clonic", "spasms": "with epileptic spasms",
}  # fmt: skip


def _named(stem: str, kinds: Mapping[str, str], onset: str) -> dict[str, str]:
    return {f"{stem}_{kind}".removesuffix("_"): f"{onset}, {words}" for kind, words in kinds.items()}


def _focal() -> dict[str, str]:
    found = {"sz_foc": "focal onset, awareness not reported"}
    for short, words in (("a", "aware"), ("ia", "impaired awareness"), ("ua", "awareness unknown")):
        onset = f"focal onset, {words}"
        found[f"sz_foc_{short}"] = onset
        found |= _named(f"sz_foc_{short}_m", _MOTOR, onset) | _named(f"sz_foc_{short}_nm", _STILL, onset)
        found[f"sz_foc_{short}_um"] = f"{onset}, motor signs unknown"
    found["sz_foc_f2b"] = "focal to bilateral tonic-clonic"
    return found


SZCORE_LABELS: Mapping[str, str] = {
    BACKGROUND: "no seizure in that time",
    "impd": "the signal cannot be judged in that time",
    SEIZURE: "seizure of no stated type",
    **_focal(),
    "sz_gen": "generalised onset",
    **_named("sz_gen_m", _GENERALISED_MOTOR, "generalised onset"),
    **_named("sz_gen_nm", _ABSENCE, "generalised onset"),
    "sz_uo": "unknown onset",
    **_named("sz_uo_m", _UNKNOWN_MOTOR, "unknown onset"),
    **_named("sz_uo_nm", {"": "non-motor", "behavior": "with behaviour arrest"}, "unknown onset"),
}
"""Every code and what it says; ``impd`` is that of SeizeIT2 (doi:10.18112/openneuro.ds005873)."""


def is_seizure(label: str) -> bool:
    """Tell whether a code is one of a seizure, whatever its type."""
    return label in SZCORE_LABELS and (label == SEIZURE or label.startswith("sz_"))


def label_meaning(label: str) -> str:
    """Return what a code says; ``""`` for one that SzCORE does not have."""
    return SZCORE_LABELS.get(label, "")
