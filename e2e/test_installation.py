"""The chart installs an operator that is not root, writes no file and has few rights."""

from e2e.helm import OPERATOR
from e2e.installation import DEPLOYMENT, NAMESPACE, RELEASE, Installation

SCRIPT = """
import json, os, pathlib, shutil
writable = []
for path in ("/", "/app", "/opt/grctl", "/etc", "/home"):
    try:
        (pathlib.Path(path) / "x").write_text("x")
        writable.append(path)
    except OSError:
        pass
found = [name for name in ("pip", "gcc", "cc", "apt-get install") if shutil.which(name)]
print(json.dumps({"uid": os.getuid(), "writable": writable, "found": found}))
"""


async def test_two_operators_are_ready_and_one_leads(installation: Installation) -> None:
    pods = await installation.kubectl.json("pods", "-l", "app.kubernetes.io/name=grctl")
    lease = await installation.kubectl.json(f"lease/{DEPLOYMENT}")

    names = {pod["metadata"]["name"] for pod in pods["items"]}
    assert len(names) == 2
    assert lease["spec"]["holderIdentity"] in names
    for pod in pods["items"]:
        assert [each["restartCount"] for each in pod["status"]["containerStatuses"]] == [0]


async def test_an_operator_is_not_root_and_can_write_nowhere(installation: Installation) -> None:
    import orjson

    line = ("exec", f"deployment/{DEPLOYMENT}", "--", "python", "-c", SCRIPT)
    found = orjson.loads(await installation.kubectl(*line))

    assert found == {"uid": 65532, "writable": [], "found": []}


async def test_kubectl_explains_the_installed_resources(installation: Installation) -> None:
    await installation.kubectl.wait("crd/workflowruns.grctl.dev", "condition=Established")

    told = await installation.kubectl("explain", "workflowevent.spec.payload")

    assert "Data for the handler" in told


async def test_the_notes_name_the_installed_objects(installation: Installation) -> None:
    notes = await installation.helm.notes(RELEASE, OPERATOR, installation.values())

    assert f"operator.url={installation.address['url']}" in notes
    assert f"kubectl -n {NAMESPACE} rollout status deployment/{DEPLOYMENT}" in notes


async def test_the_operator_serves_metrics(installation: Installation) -> None:
    script = (
        "import urllib.request as u;"
        "print(u.urlopen('http://127.0.0.1:8701/metrics').read().decode())"
    )
    line = ("exec", f"deployment/{DEPLOYMENT}", "--", "python", "-c", script)

    assert "grctl_" in await installation.kubectl(*line)
