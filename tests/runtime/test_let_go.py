"""After an uninstall no run may keep its namespace from going."""

from pathlib import Path

from grctl.kube import RUNS, Api, Connection
from grctl.kube.api import Params
from grctl.kube.bodies import Json
from grctl.models import FINALIZER
from grctl.models.directive import Complete, WaitForEvent
from grctl_operator.let_go import let_go_of_all, main
from tests.runtime.conftest import Cluster
from tests.runtime.test_desired import served


async def test_a_run_stays_as_it_is_but_for_our_finalizer(cluster: Cluster) -> None:
    before = await cluster.start("order")

    assert await let_go_of_all(cluster.api, cluster.namespace) == 1

    after = await cluster.run("order")
    assert "finalizers" not in after["metadata"]
    assert (after["spec"], after["status"]) == (before["spec"], before["status"])
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


async def test_the_finalizer_of_another_controller_stays(cluster: Cluster) -> None:
    await cluster.start("order")
    path = RUNS.path(cluster.namespace, "order")
    await cluster.api.merge(path, {"metadata": {"finalizers": ["example.org/x", FINALIZER]}})

    await let_go_of_all(cluster.api, cluster.namespace)

    assert (await cluster.run("order"))["metadata"]["finalizers"] == ["example.org/x"]


async def test_a_run_that_is_being_deleted_goes(cluster: Cluster) -> None:
    await cluster.start("order")
    await cluster.delete_run("order")

    await let_go_of_all(cluster.api, cluster.namespace)

    await cluster.until_gone(RUNS, "order")


async def test_runs_of_other_namespaces_stay_held(cluster: Cluster) -> None:
    await cluster.start("order")

    assert await let_go_of_all(cluster.api, "elsewhere") == 0

    assert (await cluster.run("order"))["metadata"]["finalizers"] == [FINALIZER]


async def test_a_run_that_is_changed_meanwhile_is_let_go_as_well(cluster: Cluster) -> None:
    await cluster.start("order")

    class Interrupted(Api):
        """Somebody else is a moment quicker, once."""

        changed = False

        async def merge(self, path: str, patch: Json, params: Params | None = None) -> Json:
            if not self.changed:
                self.changed = True
                await cluster.api.merge(path, {"metadata": {"labels": {"team": "blue"}}})
            return await super().merge(path, patch, params)

    async with Interrupted(await Connection.find(cluster.kubeconfig)) as api:
        await let_go_of_all(api, cluster.namespace)

    metadata = (await cluster.run("order"))["metadata"]
    assert (metadata.get("finalizers"), metadata["labels"]) == (None, {"team": "blue"})


def test_without_an_api_server_the_command_says_so_and_fails(tmp_path: Path) -> None:
    assert main(["--kubeconfig", str(tmp_path / "none")]) == 1


async def test_a_run_that_finished_before_an_uninstall_takes_its_events_along_when_it_goes_later(
    cluster: Cluster,
) -> None:
    async with served(cluster) as (_, worker):
        await cluster.start("order")
        await worker.succeeds(await worker.executes(), WaitForEvent())
        sent = await cluster.send("order", "approve")
        await worker.succeeds(await worker.executes(), Complete())
        await cluster.until_settled(sent)
        await cluster.until_phase("order", "Completed")
    await let_go_of_all(cluster.api, cluster.namespace)

    async with served(cluster):
        await cluster.until_run("order", lambda run: "finalizers" in run["metadata"])
        await cluster.delete_run("order")
        await cluster.until_gone(RUNS, "order")
    assert await cluster.events() == []
