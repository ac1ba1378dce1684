"""`python -m benchmarks`: measure, print a table, and write the figures as JSON."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import machine, report
from benchmarks.measures import SMALL, Round, Sizes, measure
from benchmarks.stand import api_server
from benchmarks.usage import NotMeasurableError
from grctl.kube import Api, Connection


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
    parser.add_argument("--small", action="store_true", help="only see that everything runs")
    return parser


async def _run(asked: argparse.Namespace) -> None:
    sizes = SMALL if asked.small else Sizes()
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="grctl-bench-") as files:
        async with api_server(asked.kubeconfig, Path(files)) as server:
            async with Api(await Connection.find(server.kubeconfig)) as api:
                about = await machine.describe(api)
            for number in range(asked.rounds):
                say = _progress(f"round {number + 1} of {asked.rounds}")
                rounds.append(await measure(server, Path(files), sizes, say))
    report.show(server, about, rounds)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        report.write(asked.json, server, about, rounds)


def _progress(prefix: str) -> Callable[[str], None]:
    return lambda text: print(f"{prefix}: {text} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
