"""The pictures of a cohort on the page of a version: outcomes, sites, and who has which image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectome.cohorts import cohort_table
from connectome.errors import NotFoundError, SchemaError

from .plots.cohort import outcome_bars, presence_matrix, sites, survival_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from connectome.store import Version

__all__ = ["cohort_figures"]


def cohort_figures(version: Version) -> dict[str, Figure]:
    """Draw what is known of the patients of a version, by what each picture shows.

    Parameters
    ----------
    version : Version
        One whose records have a table ``subject`` with one row each.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        Only pictures that there is something to draw for; none where the version is no cohort.
    """
    try:
        subjects = cohort_table(version)
    except (NotFoundError, SchemaError):
        return {}
    present = {
        record: [path.strip("/") for path, facts in groups.items() if facts["kind"] == "volume"]
        for record, groups in version.facts.items()
    }
    drawn = {
        "outcome classes by year": outcome_bars(subjects),
        "share of patients without a break of the outcome": survival_curves(subjects),
        "patients by lobe and side": sites(subjects),
        "volumes by record": presence_matrix(present),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}
