import yaml

from grctl.models.crds import all_crds
from tests.cli.conftest import Grctl


def test_it_prints_what_kubectl_applies(grctl: Grctl) -> None:
    done = grctl("crds")
    assert done.exit_code == 0
    assert tuple(yaml.safe_load_all(done.output)) == all_crds()
