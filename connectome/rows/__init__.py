"""A version as tables of rows, for consumers that think in rows: the Hugging Face Hub, Parquet, SQL.

``columns`` joins types without loss, ``parts`` says which tables a group gives, ``tables`` and ``about`` which a
version gives, and ``arrow`` reads them as Arrow batches. Publishing and the Hugging Face loader both go through here,
so a published file and a dataset that is read from a store have the same columns and types.
"""

from __future__ import annotations

from .arrow import arrow_schema, batches
from .columns import IDENTIFIERS, Column
from .parts import SAMPLES_PER_ROW
from .tables import Table, choose, tables

__all__ = ["IDENTIFIERS", "SAMPLES_PER_ROW", "Column", "Table", "arrow_schema", "batches", "choose", "tables"]
