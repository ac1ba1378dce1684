"""The kubeconfig: writing it never destroys a file that is still in use."""

from pathlib import Path

import pytest

from grctl_local import LocalServer
from grctl_local.kubeconfig import KubeconfigTakenError, write
from tests.conformance.kubeconfig import load


async def test_the_kubeconfig_of_a_running_server_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    async with LocalServer(kubeconfig_path=path) as first:
        with pytest.raises(KubeconfigTakenError, match=f"in use: .* runs at {first.url}"):
            async with LocalServer(kubeconfig_path=path):
                pass
        assert load(path).server == first.url


async def test_the_kubeconfig_of_a_stopped_server_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    async with LocalServer(kubeconfig_path=path):
        pass
    async with LocalServer(kubeconfig_path=path) as second:
        assert load(path).server == second.url


async def test_a_server_at_the_port_of_a_stopped_one_is_not_mistaken_for_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kubeconfig"
    async with LocalServer(kubeconfig_path=path) as gone:
        port = int(gone.url.rpartition(":")[2])
    async with LocalServer(port=port), LocalServer(kubeconfig_path=path) as later:
        assert load(path).server == later.url


@pytest.mark.parametrize(
    "text",
    [
        "clusters: [{name: production, cluster: {server: 'https://k8s.example'}}]",
        "clusters: []",
        "something else",
        "{",
    ],
)
async def test_a_file_of_others_is_never_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KubeconfigTakenError, match="not of `grctl local`: it is left as it is"):
        async with LocalServer(kubeconfig_path=path):
            pass
    assert path.read_text(encoding="utf-8") == text


async def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.touch()
    async with LocalServer(kubeconfig_path=path) as server:
        assert load(path).server == server.url


async def test_a_restart_at_the_same_port_may_overwrite_its_own_kubeconfig(tmp_path: Path) -> None:
    path, data = tmp_path / "kubeconfig", tmp_path / "objects.db"
    async with LocalServer(data, kubeconfig_path=path) as first:
        port = int(first.url.rpartition(":")[2])
    async with LocalServer(data, port, path) as second:
        assert load(path).server == first.url == second.url


def test_a_link_to_the_kubeconfig_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link", "https://127.0.0.1:1", "token", "certificate")
    assert (tmp_path / "link").is_symlink()
    assert "https://127.0.0.1:1" in (tmp_path / "real").read_text(encoding="utf-8")
