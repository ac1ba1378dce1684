"""The tables of values have the paths, defaults and comments of values.yaml."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tools"))

from chart_files import readme_with_values, value_rows

VALUES = """\
# A word about the file.

# -- How many.
replicas: 2
image:
  # -- Where it is,
  # on two lines.
  repository: grctl
# -- Anything.
resources:
  limits: {cpu: 1}
"""


def test_each_value_is_a_row_with_its_path_default_and_comment() -> None:
    assert value_rows(VALUES) == [
        ("replicas", "2", "How many."),
        ("image.repository", '"grctl"', "Where it is, on two lines."),
        ("resources", '{"limits": {"cpu": 1}}', "Anything."),
    ]


def test_a_value_without_a_comment_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"image\.tag has no comment"):
        value_rows(f"{VALUES}image:\n  tag: 1\n")


def test_the_text_around_the_table_is_kept(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(VALUES, encoding="utf-8")
    readme = tmp_path / "README.md"
    text = "# Chart\n<!-- values: made by `make fix` -->\nold\n<!-- end of values -->\nMore.\n"
    readme.write_text(text, encoding="utf-8")

    made = readme_with_values(readme)

    assert made.startswith("# Chart\n")
    assert made.endswith("<!-- end of values -->\nMore.\n")
    assert "old" not in made
    assert "| `replicas` | `2` | How many. |" in made
