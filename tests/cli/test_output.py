import json

import pytest
import yaml

from grctl.cli.output import Format, as_json, as_yaml, show
from grctl.terminal import printable

MADE = {"id": "order-1", "message": "Größe " * 40, "waits": [1, None]}


def test_json_and_yaml_say_the_same_and_a_long_text_stays_on_its_line() -> None:
    assert json.loads(as_json(MADE)) == yaml.safe_load(as_yaml(MADE)) == MADE
    assert len(as_yaml(MADE).splitlines()) == 5
    assert "Größe" in as_json(MADE)


def test_yaml_of_one_value_has_no_document_end() -> None:
    assert as_yaml("approved") == "approved"


def test_a_terminal_obeys_nothing_of_a_text() -> None:
    assert printable("a\tb\nc") == "a b c"
    assert printable("\x1b[2J\x07\u202ecod.exe\x9b") == r"\x1b[2J\x07\u202ecod.exe\x9b"


def test_what_people_write_stays_as_it_is() -> None:
    assert printable("審査 👍🏽 é naïve") == "審査 👍🏽 é naïve"


def test_the_text_or_what_it_tells_of_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for output in Format:
        show("text", {"a": 1}, output)
    assert capsys.readouterr().out == 'text\n{\n  "a": 1\n}\na: 1\n'
