import yaml

from grctl.models.crds import all_crds
from tests.cli.conftest import Grctl


def test_crds_prints_all_definitions_as_yaml(grctl: Grctl) -> None:
    done = grctl("crds")
    assert done.exit_code == 0
    assert tuple(yaml.safe_load_all(done.output)) == all_crds()
