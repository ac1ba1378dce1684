"""The index of the decisions names each page by its title."""

from tests.docs.pages import ROOT

PAGES = sorted((ROOT / "docs" / "decisions").glob("0*.md"))


def test_the_index_lists_each_decision_by_its_title() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    listed = [line for line in index.splitlines() if line.startswith("| [")]
    titles = [page.read_text(encoding="utf-8").splitlines()[0] for page in PAGES]
    numbered = [title.removeprefix("# ").split(": ", 1) for title in titles]
    assert listed == [
        f"| [{number}]({page.name}) | {title} |"
        for page, (number, title) in zip(PAGES, numbered, strict=True)
    ]


def test_each_decision_has_its_context_and_what_was_decided() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert "**Context.**" in text, page.name
        assert "**Decision.**" in text, page.name
