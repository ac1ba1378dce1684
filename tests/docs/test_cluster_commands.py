"""The commands of the pages about clusters, which no story runs.

1. The arguments of `helm install` and `helm upgrade` are read as Helm reads them, and the charts
   are rendered.
2. kubectl commands that need no pods run on the embedded API.
3. Each other command is run by another file, which this one names. A command that no file runs
   fails the test.
"""

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import helm_python
import kubernetes_validate
import pytest

from grctl_local.server import LocalServer
from tests.charts.rendering import Json, merged, objects
from tests.docs.pages import ROOT, blocks_of, commands_of
from tests.docs.test_guide import PAGES as STORIES

GUIDE = ROOT / "docs" / "guide"
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in GUIDE.glob("*.md") if page.stem not in STORIES),
    *sorted(ROOT.glob("charts/*/README.md")),
]
KUBERNETES = "1.36"
COMMAND_DEADLINE_S = 60.0  # for one kubectl on a busy machine
PEM = {"operator": {"ca": {"pem": "-----BEGIN CERTIFICATE-----\n"}}}
"""No cluster can be asked for the certificate here, so it is given."""
ON_THE_EMBEDDED_API = ("kubectl create ", "kubectl -n blue get ")
NAMESPACES = ("blue", "shop")
ELSEWHERE = {
    "make demo": (".ci/run", "make demo"),
    "make test": (".ci/run", "make test"),
    "grctl start ": ("tests/docs/test_guide.py", "README.md"),
    "grctl list": ("tests/docs/test_guide.py", "README.md"),
    "grctl dev ": ("tests/cli/test_dev.py", "developing("),
    "docker build ": ("e2e/settings.py", "E2E_BUILD"),
    "docker push ": ("e2e/settings.py", "E2E_BUILD"),
    "kubectl apply ": ("e2e/test_page.py", "apply"),
    "kubectl get wfr,wfe": ("tools/demo.py", "kubectl get wfr,wfe"),
    "kubectl wait ": ("tools/demo.py", "kubectl wait"),
    "kubectl logs ": ("e2e/evidence.py", "logs"),
    "kubectl rollout status ": ("tests/lab/kubectl.py", "rollout"),
    "kubectl -n grctl-system rollout status ": ("tests/lab/kubectl.py", "rollout"),
    "kubectl delete crd ": ("e2e/test_uninstall.py", "crd"),
    "kubectl delete namespace ": ("e2e/installation.py", "namespace"),
    "helm uninstall ": ("e2e/test_uninstall.py", "uninstall"),
}
"""By the beginning of a command: the file that runs it, and a text in it that proves so."""


def commands() -> Iterator[tuple[str, str]]:
    """Yield each console command of the pages, with its place."""
    for page in PAGES:
        for block in blocks_of(page):
            if block.kind == "console":
                for command, _ in commands_of(block.text):
                    yield f"{page.parent.relative_to(ROOT)}/{block.place}", command


def beginning(*texts: str) -> list[tuple[str, str]]:
    return [(place, command) for place, command in commands() if command.startswith(texts)]


def helm_parser() -> argparse.ArgumentParser:
    """Return a parser that accepts the flags that the pages use, and no other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("helm")
    parser.add_argument("verb", choices=["install", "upgrade"])
    parser.add_argument("release")
    parser.add_argument("chart", type=Path)
    parser.add_argument("--namespace", "-n")
    parser.add_argument("--create-namespace", action="store_true")
    parser.add_argument("--reuse-values", action="store_true")
    parser.add_argument("--set", action="append", default=[])
    return parser


@pytest.mark.parametrize(("place", "command"), beginning("helm install", "helm upgrade"))
def test_a_helm_command_of_the_docs_makes_valid_objects(place: str, command: str) -> None:
    given = helm_parser().parse_args(shlex.split(command.replace("\\\n", " "), comments=True))
    values: Json = PEM if given.chart.name == "grctl-worker" else {}
    for expression in given.set:
        values = merged(values, helm_python.parse_set_string(expression))
    found = objects(ROOT / given.chart, values)

    assert [each for each in found if each["kind"] == "Deployment"], place
    for each in found:
        if not each["apiVersion"].startswith("apiextensions.k8s.io"):
            kubernetes_validate.validate(each, KUBERNETES, strict=True)


async def test_the_kubectl_commands_of_the_docs_run_as_they_are_written(tmp_path: Path) -> None:
    async with LocalServer(kubeconfig_path=tmp_path / "kubeconfig") as server:
        run = Shell(server.kubeconfig_path, tmp_path)
        await run("kubectl apply -f crds/")
        for name in NAMESPACES:
            await run(f"kubectl create namespace {name}")
        await run("kubectl apply -n blue -f examples/manifests/order.yaml")
        for _, command in beginning(*ON_THE_EMBEDDED_API):
            await run(command)
        assert await run("kubectl get -n blue wfr -o jsonpath={..finalizers}") == ""
        bound = await run("kubectl get rolebinding -A -o jsonpath={..subjects[*].name}")

    assert sorted(bound.split()) == ["orders", "webhook"]


@pytest.mark.parametrize(("place", "command"), list(commands()))
def test_each_command_of_the_docs_is_run_by_some_file(place: str, command: str) -> None:
    done_here = ("helm install", "helm upgrade", *ON_THE_EMBEDDED_API)
    if command.startswith(done_here):
        return
    [(file, shows)] = [
        where for start, where in ELSEWHERE.items() if command.startswith(start)
    ] or [("", "")]
    assert file, f"{place}: nothing runs `{command}`"
    assert shows in (ROOT / file).read_text(encoding="utf-8")


class Shell:
    """A shell in the repository, with a stock kubectl."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        own = {"KUBECONFIG": str(kubeconfig), "HOME": str(home), "PATH": programs}
        self._environment = {**os.environ, **own}

    async def __call__(self, command: str) -> str:
        """Run a command, which must succeed. Return what it prints."""
        process = await asyncio.create_subprocess_shell(
            command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
            env=self._environment,
        )
        async with asyncio.timeout(COMMAND_DEADLINE_S):
            printed = (await process.communicate())[0].decode()
        assert process.returncode == 0, f"`{command}` printed:\n{printed}"
        return printed
