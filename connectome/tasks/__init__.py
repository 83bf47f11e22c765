"""Tasks on graphs: what is to be predicted from what, without leaks and the same everywhere.

Link prediction (:class:`LinkPlan`, :func:`make_links`, :func:`prove_links`, :func:`report_links`), classes of vessels
(:class:`ClassPlan`, :func:`make_classes`), and the line graph as a stream (:func:`line_graph`). Plain NumPy; nothing
here reads a store.
"""

from __future__ import annotations

from .baselines import Score, baselines
from .class_task import (
    ClassPlan,
    ClassReport,
    ClassTask,
    class_record,
    classes_from_record,
    edge_features,
    make_classes,
    prove_classes,
    report_classes,
)
from .line_graph import LineGraph, line_graph
from .link_features import check_features, common_neighbours, degree_of, node_columns, pair_geometry
from .link_metrics import OgbLinkEvaluator, average_precision, hits_at, roc_auc
from .link_plan import NEGATIVES, LinkPlan
from .link_proof import LinkProof, prove_links
from .link_task import (
    LinkReport,
    LinkTask,
    make_links,
    report_links,
    task_from_record,
    task_record,
)
from .pairs import Links, graph_group, links_of
from .published_links import has_published_links, published_links
from .vessel_class import BOUNDARIES_UM, BOUNDARIES_VOXEL, vessel_class, vessel_classes

__all__ = [
    "BOUNDARIES_UM",
    "BOUNDARIES_VOXEL",
    "NEGATIVES",
    "ClassPlan",
    "ClassReport",
    "ClassTask",
    "LineGraph",
    "LinkPlan",
    "LinkProof",
    "LinkReport",
    "LinkTask",
    "Links",
    "OgbLinkEvaluator",
    "Score",
    "average_precision",
    "baselines",
    "check_features",
    "class_record",
    "classes_from_record",
    "common_neighbours",
    "degree_of",
    "edge_features",
    "graph_group",
    "has_published_links",
    "hits_at",
    "line_graph",
    "links_of",
    "make_classes",
    "make_links",
    "node_columns",
    "pair_geometry",
    "prove_classes",
    "prove_links",
    "published_links",
    "report_classes",
    "report_links",
    "roc_auc",
    "task_from_record",
    "task_record",
    "vessel_class",
    "vessel_classes",
]
