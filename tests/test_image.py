"""The parts of the image, without building it. `e2e/` builds and runs it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")
COPIED = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pinned_package_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")

    entries = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]

    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text


@pytest.mark.parametrize("lock", LOCKS[:2])
def test_the_image_holds_the_versions_that_the_tests_ran_with(lock: str) -> None:
    tested = pins("requirements-dev.lock")

    assert {name: tested.get(name) for name in pins(lock)} == pins(lock)


def test_the_image_holds_nothing_that_only_developers_need() -> None:
    assert {"kopf", "aiohttp", "kubernetes"} <= pins("requirements.lock").keys()
    assert pins("requirements.lock").keys().isdisjoint({"pytest", "mypy", "ruff", "cryptography"})


def test_the_build_sees_exactly_what_the_dockerfile_copies() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8")

    copied = {name for names in COPIED.findall(dockerfile) for name in names.split()}

    assert copied == {line[1:] for line in ignored.splitlines() if line.startswith("!")}


def test_the_guides_dockerfile_is_the_one_that_end_to_end_tests_build() -> None:
    built = (ROOT / "e2e" / "worker" / "Dockerfile").read_text(encoding="utf-8")
    guide = (ROOT / "docs" / "guide" / "worker.md").read_text(encoding="utf-8")
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert f"```dockerfile\n{built}```" in guide
    assert "".join(f"#     {line}\n" for line in built.splitlines()) in dockerfile
