"""Hugging Face datasets, imported when it is asked for."""

from __future__ import annotations

from typing import Any

from connectome.errors import MissingExtraError

__all__ = ["datasets_library"]


def datasets_library() -> Any:
    """Return the module of Hugging Face datasets, or say which extra brings it."""
    try:
        import datasets
        import datasets.iterable_dataset
        import datasets.table
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Hugging Face datasets is not installed", subject="datasets", hint='pip install "connectome[hf]"'
        ) from error
    return datasets
