"""What a person needs to see of a test that failed: runs, events, core Events, logs."""

from collections.abc import Iterator

from tests.lab.kubectl import last_lines
from tests.lab.lab import Lab

QUESTIONS = (
    ("get", "wfr,wfe"),
    ("get", "wfr", "-o", "yaml"),
    ("get", "wfe", "-o", "yaml"),
    ("get", "events"),
)


def evidence(lab: Lab) -> Iterator[tuple[str, str]]:
    """Yield titles and texts."""
    for question in QUESTIONS:
        yield f"kubectl {' '.join(question)}", lab.kubectl.show(*question)
    for process in lab.processes.all:
        state = "runs" if process.is_running else "ended"
        yield f"log of {process.name} ({state}, pids {process.pids})", last_lines(process.log)


def with_evidence(text: str, lab: Lab) -> str:
    """Return a text with the evidence below it."""
    shown = (f"---- {title} ----\n{found}" for title, found in evidence(lab))
    return "\n".join([text, *shown])
