"""`grctl worker`: run the handlers of workflows."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from grctl.cli.failing import fail
from grctl.cli.options import HIGHEST_TCP_PORT, Namespace
from grctl.logs.loggers import get_logger

if TYPE_CHECKING:
    from grctl.worker import Worker
    from grctl.workflow import Workflow

logger = get_logger(__name__)


class LogLevel(StrEnum):
    """The lowest level of the records that are shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """The format of a record."""

    CONSOLE = "console"
    JSON = "json"


References = Annotated[
    list[str],
    typer.Argument(metavar="MODULE:NAME", help="Workflows: a module and a name in it."),
]
OperatorUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="GRCTL_OPERATOR_URL",
        help="address of the operator (default: http://127.0.0.1:8700)",
    ),
]
Capacity = Annotated[
    int, typer.Option(min=1, envvar="GRCTL_WORKER_CAPACITY", help="handlers at once")
]
Grace = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        envvar="GRCTL_WORKER_GRACE",
        help="how long running handlers get to end when the worker is stopped",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        envvar="GRCTL_WORKER_NAME",
        help="name that outlives restarts (default: the machine's or the pod's)",
    ),
]
HttpPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=HIGHEST_TCP_PORT,
        metavar="PORT",
        envvar="GRCTL_WORKER_HTTP_PORT",
        help="answer /healthz, /readyz and /metrics here (default: nowhere)",
    ),
]
HttpHost = Annotated[
    str,
    typer.Option(
        metavar="HOST", envvar="GRCTL_WORKER_HTTP_HOST", help="address to listen on for probes"
    ),
]
Level = Annotated[LogLevel, typer.Option(envvar="GRCTL_LOG_LEVEL", help="what is logged")]
Format = Annotated[LogFormat, typer.Option(envvar="GRCTL_LOG_FORMAT", help="how it is logged")]


def worker(
    references: References,
    *,
    operator_url: OperatorUrl = None,
    capacity: Capacity = 100,
    grace: Grace = 30.0,
    name: Name = None,
    namespace: Namespace = None,
    http_port: HttpPort = None,
    http_host: HttpHost = "127.0.0.1",
    log_level: Level = LogLevel.INFO,
    log_format: Format = LogFormat.CONSOLE,
) -> None:
    """Run the handlers of workflows, until stopped.

    It connects to the operator, which says what is to run.
    """
    from grctl.logs.setup import set_up
    from grctl.worker import Worker

    set_up(log_level, log_format)
    workflows = _load(references)
    try:
        serving = Worker(
            workflows,
            operator_url,
            capacity=capacity,
            grace=grace,
            name=name,
            namespace=namespace,
            http_port=http_port,
            http_host=http_host,
        )
    except (TypeError, ValueError) as error:
        fail(str(error))
    for each in workflows:
        _log_served(each)
    try:
        _serve(serving)
    except OSError as error:  # the port for probes; a worker survives any other error
        fail(str(error))


def _serve(serving: "Worker") -> None:
    """Run a worker to its end, whatever the tasks of users raise.

    SystemExit and KeyboardInterrupt of any task end the loop of asyncio: one `sys.exit` below
    `asyncio.gather` would end all handlers. The task that awaits the failed one gets the exception
    too, so the loop is run again. A person's Ctrl-C is a signal that the worker handles itself.
    """
    import asyncio

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        running = loop.create_task(_run(serving))
        while not running.done():
            try:
                loop.run_until_complete(running)
            except (SystemExit, KeyboardInterrupt) as error:
                extra = {"error": repr(error)}
                logger.warning("a task of users' code tried to end the process", extra=extra)
        running.result()


async def _run(serving: "Worker") -> None:
    import asyncio

    from grctl.cli.leaving import leaving

    with leaving():
        try:
            await serving.run()
        except asyncio.CancelledError:
            fail("the worker was cancelled by users' code, as by asyncio.all_tasks(): it ends")


def _load(references: Sequence[str]) -> "list[Workflow]":
    from grctl.cli.loading import LoadError, load_workflow

    try:
        return [load_workflow(each) for each in references]
    except LoadError as error:
        fail(str(error))


def _log_served(workflow: "Workflow") -> None:
    from grctl.models import HandlerKind

    events = ", ".join(workflow.names(HandlerKind.EVENT)) or None
    logger.info("serving", extra={"workflow": workflow.workflow_type, "events": events})
