"""The commands of CONTRIBUTING.md name targets, tests, rooms and metrics that exist."""

import re

from tests.docs.pages import ROOT, commands_of

PAGE = ROOT / "CONTRIBUTING.md"
TEXT = PAGE.read_text(encoding="utf-8")


def commands() -> list[str]:
    """Return the commands of the page."""
    text = re.sub(r"^ {3}", "", TEXT, flags=re.MULTILINE)  # those of a list are indented
    consoles = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [command for console in consoles for command, _ in commands_of(console)]


def test_each_target_of_make_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"\bmake ([a-z0-9]+)\b", TEXT))
    assert {"check", "test", "fix", "bench", "stateful"} <= targets
    assert [each for each in targets if f"\n{each}:" not in makefile] == []


def test_each_test_that_is_named_exists() -> None:
    runs = [command.split() for command in commands() if "pytest" in command]
    assert runs
    for _, _, _, path, *options in runs:
        assert (ROOT / path).is_file()
        assert not options or options[1] in (ROOT / path).read_text(encoding="utf-8")


def test_each_room_that_is_named_exists() -> None:
    paths = re.findall(r"`((?:operator|sdk|tests|docs|tools)/[\w/.]+)`", TEXT)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_each_metric_that_is_named_exists() -> None:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    names = re.findall(r"`(grctl_[a-z_]+)`", TEXT)
    assert len(names) == 3
    assert [name for name in names if f"`{name}`" not in page] == []
