"""Facts of an ingest job: how many items ended how, and why they failed; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from kaboom.analysis.facts.model import Facts, SourceRow, clean_text
from kaboom.analysis.vocabulary import Kind

#: The most causes that are listed separately.
_MOST_CAUSES = 8

#: An item that failed: its outcome, and the error message.
type Failure = tuple[str, str]


def gather_ingest(
    job_id: str, progress: Mapping[str, int], outcomes: Mapping[str, int], failures: Iterable[Failure]
) -> Facts:
    """Return the facts of a job: `progress` has `total`, `done`, `failed`; messages are cleaned, never cited."""
    rows = [SourceRow("job/progress", dict(progress))]
    if outcomes:
        rows.append(SourceRow("job/outcomes", {f"outcome_{name}": count for name, count in sorted(outcomes.items())}))
    causes = Counter((outcome, clean_text(message)) for outcome, message in failures).most_common(_MOST_CAUSES)
    rows += [
        SourceRow(f"job/causes/{n}", {f"cause_{n}_items": count}, notes={"outcome": outcome, "message": message})
        for n, ((outcome, message), count) in enumerate(causes, 1)
    ]
    return Facts(Kind.INGEST, job_id, tuple(rows))
