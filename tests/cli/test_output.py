import json

import pytest
import yaml

from grctl.cli.output import Format, as_json, show
from grctl.cli.yaml_text import as_yaml

MADE = {"id": "order-1", "message": "Größe " * 40, "waits": [1, None]}


def test_json_and_yaml_say_the_same_and_a_long_text_stays_on_its_line() -> None:
    assert json.loads(as_json(MADE)) == yaml.safe_load(as_yaml(MADE)) == MADE
    assert len(as_yaml(MADE).splitlines()) == 5
    assert "Größe" in as_json(MADE)


def test_yaml_of_one_value_has_no_document_end() -> None:
    assert as_yaml("approved") == "approved"


def test_the_text_or_what_it_tells_of_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for output in Format:
        show("text", {"a": 1}, output)
    assert capsys.readouterr().out == 'text\n{\n  "a": 1\n}\na: 1\n'
