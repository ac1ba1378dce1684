import json

import pytest
import yaml

from grctl.cli.output import Format, as_json, show
from grctl.cli.yaml_text import as_yaml

DATA = {"id": "order-1", "message": "Größe " * 40, "waits": [1, None]}


def test_json_and_yaml_hold_the_same_data_and_a_long_text_stays_on_its_line() -> None:
    assert json.loads(as_json(DATA)) == yaml.safe_load(as_yaml(DATA)) == DATA
    assert len(as_yaml(DATA).splitlines()) == 5
    assert "Größe" in as_json(DATA)


def test_yaml_of_one_value_has_no_document_end() -> None:
    assert as_yaml("approved") == "approved"


def test_the_format_decides_between_text_json_and_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    for output in Format:
        show("text", {"a": 1}, output)
    assert capsys.readouterr().out == 'text\n{\n  "a": 1\n}\na: 1\n'
