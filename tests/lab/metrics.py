"""An operator's metrics, as they are at one moment."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')

Sample = tuple[str, dict[str, str], float]
"""Name, labels, value."""


@dataclass(frozen=True)
class Figures:
    """All samples of one scrape."""

    samples: list[Sample]

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of all samples of a name that have these labels."""
        return sum(
            value
            for found, its, value in self.samples
            if found == name and labels.items() <= its.items()
        )

    @property
    def names(self) -> frozenset[str]:
        """The names of all samples."""
        return frozenset(name for name, _, _ in self.samples)

    @property
    def requests(self) -> Counter[str]:
        """The operator's requests to the API server, by verb and resource."""
        counted: Counter[str] = Counter()
        for name, labels, value in self.samples:
            if name == "grctl_api_requests_total":
                counted[f"{labels['verb']} {labels['resource']}"] += int(value)
        return counted


async def read_figures(port: int) -> Figures:
    """Scrape the metrics of an operator."""
    url = f"http://127.0.0.1:{port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return Figures(list(samples(await response.text())))


def samples(text: str) -> Iterator[Sample]:
    """Parse the text format of Prometheus."""
    for name, labels, value in SAMPLE.findall(text):
        yield name, dict(LABEL.findall(labels)), float(value)
