"""`python -m benchmarks`: measure, print a table, and write the figures as JSON."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import large, machine, measures, report
from benchmarks.testbed import MeasuredApi, measured_api
from benchmarks.usage import NotMeasurableError
from grctl.kube import Api, Connection

Measured = TypeVar("Measured")
"""The result of one round."""


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _parser().parse_args(arguments)
    try:
        asyncio.run(_run(asked))
    except NotMeasurableError as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    kubeconfig = "of a real API server; none: an embedded one is started"
    parser.add_argument("--kubeconfig", type=Path, help=kubeconfig)
    parser.add_argument("--rounds", type=int, default=5, help="the table shows their medians")
    parser.add_argument("--json", type=Path, help="the file to write")
    parser.add_argument("--large", action="store_true", help="20,000 runs and 10,000 events")
    parser.add_argument("--small", action="store_true", help="only see that everything runs")
    return parser


async def _run(asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="grctl-bench-") as files:
        async with measured_api(asked.kubeconfig, Path(files)) as server:
            async with Api(await Connection.find(server.kubeconfig)) as api:
                about = await machine.describe(api)
            found = await (_large if asked.large else _rounds)(asked, server, about, Path(files))
    if asked.json:
        report.write(asked.json, server, about, **found)


async def _rounds(
    asked: argparse.Namespace, server: MeasuredApi, about: dict[str, Any], files: Path
) -> dict[str, Any]:
    sizes = measures.SMALL if asked.small else measures.Sizes()
    rounds = await _repeat(asked, partial(measures.measure, server, files, sizes))
    report.show(server, about, rounds)
    return {"rounds": [asdict(each) for each in rounds]}


async def _large(
    asked: argparse.Namespace, server: MeasuredApi, about: dict[str, Any], files: Path
) -> dict[str, Any]:
    sizes = large.SMALL if asked.small else large.LargeSizes()
    rounds = await _repeat(asked, partial(large.measure, server, files, sizes))
    report.show_large(server, about, rounds)
    return {"large": rounds}


async def _repeat(
    asked: argparse.Namespace, measure: Callable[[Callable[[str], None]], Awaitable[Measured]]
) -> list[Measured]:
    return [
        await measure(_progress(f"round {number + 1} of {asked.rounds}"))
        for number in range(asked.rounds)
    ]


def _progress(prefix: str) -> Callable[[str], None]:
    return lambda text: print(f"{prefix}: {text} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
