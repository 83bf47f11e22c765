"""The steps of an ingest as Prefect tasks and one flow. Thin: every body is one call into the plain functions.

One flow run per command, coarse tasks (one per source and stage), no sub-flows. What is done already is decided by
the store's own receipts, never by Prefect's cache. Without ``PREFECT_API_URL`` Prefect starts a temporary server on
loopback for the run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from connectome.errors import ChecksumError, FetchError, MissingExtraError
from connectome.store import Commit, Repository

from .datasets import about_of, open_source, open_sources
from .ingest import IngestResult, check_complete, commit_outcomes, fetch_source, make_records, summarise
from .jobs import Discovery, RawFiles
from .planning import discover, plan
from .runners import make_runner

if TYPE_CHECKING:
    from .fetch import Fetched
    from .making import Outcome

# Prefect reads its settings when it is imported: no usage reports, no banner, warnings only.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")

try:
    from prefect import flow, task
    from prefect.artifacts import create_markdown_artifact, create_table_artifact
    from prefect.cache_policies import NO_CACHE
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
except ModuleNotFoundError as error:
    raise MissingExtraError("flows need Prefect", subject="flows", hint='pip install "connectome[flows]"') from error

__all__ = ["ingest_flow", "run_ingest"]

RETRIES = 3
RETRY_DELAYS_S = [2.0, 10.0, 60.0]


def _may_retry(_task: Any, _run: Any, state: Any) -> bool:
    """Retry what a network may mend: not wrong bytes, not a defect."""
    try:
        state.result()
    except ChecksumError:
        return False
    except FetchError:
        return True
    except Exception:  # noqa: BLE001 - the engine asks a yes-or-no question; the error itself goes on to the caller
        return False
    return False


@task(
    name="fetch",
    task_run_name="fetch {source_id}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_condition_fn=_may_retry,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def fetch_task(
    root: str, source_id: str, select: str | None, mirror: str | None, allow_missing: bool, signals: str | None
) -> Fetched:
    """Bring a source's raw files here."""
    repository = Repository(root)
    return fetch_source(
        repository, open_source(repository, source_id), select=select, mirror=mirror, allow_missing=allow_missing,
        signals=signals,
    )  # fmt: skip


@task(name="discover", task_run_name="discover {source_id}", cache_policy=NO_CACHE, persist_result=False)
def discover_task(root: str, source_id: str, fetched: Fetched, select: str | None) -> Discovery:
    """Turn a source's files into jobs and rejections."""
    source = open_source(Repository(root), source_id)
    return discover(source, RawFiles(fetched.files), select=select, missing=fetched.missing)


@task(name="make", task_run_name="make {source_id}", cache_policy=NO_CACHE, persist_result=False)
def make_task(
    root: str, dataset: str, source_id: str, found: Discovery, runner: str, workers: int | None
) -> list[Outcome]:
    """Make a source's records on a runner."""
    del source_id
    with make_runner(runner, workers=workers) as running:
        return make_records(Repository(root), dataset, found.jobs, runner=running)


@task(name="commit", task_run_name="commit {dataset}", cache_policy=NO_CACHE, persist_result=False)
def commit_task(
    root: str, dataset: str, outcomes: Sequence[Outcome], found: Sequence[Discovery], select: str | None
) -> Commit:
    """Publish the version."""
    rejected = [item for each in found for item in each.rejected]
    repository = Repository(root)
    about = about_of(repository, dataset)
    return commit_outcomes(repository, dataset, outcomes, rejected, about=about, select=select)


@flow(name="ingest", flow_run_name="ingest {dataset}", validate_parameters=False, persist_result=False)
def ingest_flow(
    root: str,
    dataset: str,
    *,
    select: str | None = None,
    mirror: str | None = None,
    runner: str = "serial",
    workers: int | None = None,
    allow_missing: bool = False,
    signals: str | None = None,
    relist: bool = False,
) -> IngestResult:
    """Ingest a dataset; parameters as in :func:`connectome.pipelines.ingest.ingest`.

    Leaves three artifacts: the plan, the census, and what changed against the version before.
    """
    make_runner(runner, workers=workers)  # refuses an unknown one before anything is fetched
    repository = Repository(root)
    sources = open_sources(repository, dataset, mirror=mirror, relist=relist)
    _show_plan(repository, dataset, select, signals)
    # What a folder does not have, it does not have the next minute either.
    from_folder = mirror is not None and "://" not in mirror
    fetch_one = fetch_task.with_options(retries=0) if from_folder else fetch_task
    fetched = [fetch_one(root, source.id, select, mirror, allow_missing, signals) for source in sources]
    found = [discover_task(root, source.id, files, select) for source, files in zip(sources, fetched, strict=True)]
    outcomes = [
        outcome
        for source, each in zip(sources, found, strict=True)
        for outcome in make_task(root, dataset, source.id, each, runner, workers)
    ]
    if not allow_missing:
        check_complete(sources, outcomes, select=select)
    commit = commit_task(root, dataset, outcomes, found, select)
    result = summarise(commit, outcomes, fetched)
    _show_result(repository, result, commit)
    return result


def _show_plan(repository: Repository, dataset: str, select: str | None, signals: str | None) -> None:
    planned = plan(repository, dataset, select=select, signals=signals)
    rows = [
        {"record": item.record, "source": item.source, "action": item.action, "why": "; ".join(item.why)}
        for item in planned.records
    ]
    create_table_artifact(
        rows, key=f"{dataset}-plan", description=f"What is to be done; {planned.fetch_bytes} bytes to fetch"
    )


def _show_result(repository: Repository, result: IngestResult, commit: Commit) -> None:
    census = result.census
    lines = [
        f"# {result.dataset}@{result.version}",
        f"{census.seen} files seen = {census.used} used + {census.rejected} rejected",
        "",
        "| rejected | kind | reason |",
        "| --- | --- | --- |",
        *(_row(item["file"], item["kind"], item["reason"].splitlines()[0]) for item in result.rejected),
    ]
    create_markdown_artifact("\n".join(lines), key=f"{result.dataset}-census", description="Files seen, used, rejected")
    previous = commit.manifest.previous
    if not result.created:
        text = "Nothing has changed."
    elif previous is None:
        text = "The first version."
    else:
        text = f"```\n{repository.diff(result.dataset, previous, result.version)}\n```"
    create_markdown_artifact(text, key=f"{result.dataset}-diff", description="What changed, and why")


def _row(*cells: str) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def run_ingest(root: str, dataset: str, **parameters: Any) -> IngestResult:
    """Run the flow here and now, against ``PREFECT_API_URL`` or a temporary server.

    Parameters
    ----------
    root : str
        The store.
    dataset : str
        A dataset of the catalogue.
    **parameters
        Of :func:`ingest_flow`.

    Returns
    -------
    IngestResult
    """
    if parameters.get("mirror") is not None:
        parameters["mirror"] = str(parameters["mirror"])
    # The heartbeat thread sleeps in steps of one second and is joined at the end of every run.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        result: IngestResult = ingest_flow(root, dataset, **parameters)
    return result
