import importlib
import sys
from pathlib import Path

import pytest

from examples.orders import order
from grctl.cli.loading import LoadError, load_workflow
from tests.cli.conftest import Grctl


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def refusal(reference: str) -> str:
    with pytest.raises(LoadError) as caught:
        load_workflow(reference)
    return str(caught.value)


def test_a_name_may_be_a_workflow_or_a_handler_that_stands_for_it() -> None:
    assert load_workflow("examples.orders:order") is order
    assert load_workflow("examples.orders:approve") is order
    assert load_workflow("examples.greet:greet") is load_workflow("examples.greet:farewell")


def test_a_module_of_the_current_directory_is_found(tmp_path: Path) -> None:
    text = "from grctl.workflow import Workflow\nmine = Workflow(workflow_type='Mine')\n"
    (tmp_path / "only_here.py").write_text(text, encoding="utf-8")
    assert load_workflow("only_here:mine").workflow_type == "Mine"


@pytest.mark.parametrize("reference", ["examples.orders", "examples/orders.py:order", ":order"])
def test_what_is_no_reference_is_told_how_to_write_one(reference: str) -> None:
    assert refusal(reference).endswith("write it like examples.orders:order")


def test_a_module_that_is_not_there_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    assert refusal("exampels.orders:order").startswith(
        f"There is no module 'exampels'; looked in {tmp_path}"
    )


def test_a_name_that_is_not_there_is_told_with_the_nearest_and_all_workflows() -> None:
    assert refusal("examples.orders:oder") == (
        "examples.orders has no 'oder'. Did you mean 'order'? Workflows in it: order."
    )


def test_a_shadowed_workflow_is_offered_by_a_handler() -> None:
    assert "Workflows in it: greet." in refusal("examples.greet:nothing_like_it")


def test_what_is_no_workflow_is_said_to_be_none() -> None:
    assert "is neither a Workflow nor a handler" in refusal("examples.orders:ship")


def test_a_module_that_fails_is_told_with_the_line_that_did(tmp_path: Path) -> None:
    text = "from grctl.workflow import Workflow\n\nWorkflow(workflow_type='')\n"
    (tmp_path / "failing_here.py").write_text(text, encoding="utf-8")
    told = refusal("failing_here:order")
    assert told.startswith("failing_here cannot be imported: ValueError: workflow_type must be")
    assert told.endswith(f"({tmp_path / 'failing_here.py'}, line 3)")


def test_an_import_in_it_that_fails_is_not_taken_for_a_missing_module(tmp_path: Path) -> None:
    (tmp_path / "importing_here.py").write_text("import no_such_driver\n", encoding="utf-8")
    assert "No module named 'no_such_driver'" in refusal("importing_here:order")


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import sys\nsys.exit(0)\n", "it calls sys.exit(0)"),
        ("raise SystemExit\n", "it calls sys.exit(None)"),
        ("exit('no database')\n", "it calls sys.exit('no database')"),
        ("raise GeneratorExit\n", "GeneratorExit"),
        ("import asyncio\nraise asyncio.CancelledError\n", "CancelledError"),
        ("raise BaseExceptionGroup('two', [SystemExit()])\n", "BaseExceptionGroup: two"),
        ("def f():\n    f()\nf()\n", "RecursionError"),
        ("int(None)\n", "TypeError"),
        ("def f(:\n", "SyntaxError"),
        ("x = '\\ud800'\nraise ValueError(x)\n", "ValueError"),
    ],
)
def test_a_module_that_ends_its_import_is_told_however_it_does(
    grctl: Grctl, tmp_path: Path, program: str, told: str
) -> None:
    (tmp_path / "ending_here.py").write_text(program, encoding="utf-8")
    sys.modules.pop("ending_here", None)
    importlib.invalidate_caches()
    done = grctl("worker", "ending_here:order")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"grctl: ending_here cannot be imported: {told}")


@pytest.mark.parametrize(("name", "place"), [("operator", "operator.py"), ("types", "types.py")])
def test_a_module_named_like_one_of_the_standard_library_is_told_with_both_files(
    tmp_path: Path, name: str, place: str
) -> None:
    (tmp_path / place).write_text("order = 1\n", encoding="utf-8")
    told = refusal(f"{name}:order")
    assert told.endswith(
        f" Python took {sys.modules[name].__file__} for {name}, not {tmp_path / place}:"
        " rename yours."
    )


def test_a_module_in_a_directory_named_like_one_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator" / "orders.py").write_text("order = 1\n", encoding="utf-8")
    told = refusal("operator.orders:order")
    assert told.startswith("There is no module 'operator.orders'")
    assert f"for operator, not {tmp_path / 'operator'}: rename yours." in told


def test_a_module_of_python_itself_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "time.py").write_text("order = 1\n", encoding="utf-8")
    told = refusal("time:order")
    assert told.endswith(
        f" Python took one of its own for time, not {tmp_path / 'time.py'}: rename yours."
    )


def test_a_file_that_hides_a_module_of_the_standard_library_is_named(tmp_path: Path) -> None:
    (tmp_path / "sndhdr.py").write_text("", encoding="utf-8")
    program = "import sndhdr\nsndhdr.what('x')\n"
    (tmp_path / "hearing_here.py").write_text(program, encoding="utf-8")
    told = refusal("hearing_here:order")
    assert "AttributeError" in told
    assert told.endswith(
        f" Python takes {tmp_path / 'sndhdr.py'} for a module of the standard library: rename it."
    )


def test_the_worker_says_it_in_one_line(grctl: Grctl) -> None:
    done = grctl("worker", "examples.orders:oder")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1


def test_the_worker_refuses_an_address_that_is_none(grctl: Grctl) -> None:
    done = grctl("worker", "examples.orders:order", "--operator-url", "localhost")
    assert done.exit_code == 1
    assert "'localhost' is not an address of an operator" in done.stderr


def test_the_worker_needs_a_workflow(grctl: Grctl) -> None:
    assert grctl("worker").exit_code == 2


@pytest.mark.parametrize(
    "reference", ["../x:order", "/srv:order", "a b:order", ".orders:order", "1a:o"]
)
def test_a_reference_with_an_impossible_module_name_is_refused(reference: str) -> None:
    with pytest.raises(LoadError, match="is not MODULE:NAME: write it like"):
        load_workflow(reference)


def test_a_directory_that_python_takes_for_a_package_is_not_told_to_be_anothers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_directory").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadError, match="plain_directory has no 'order'") as refused:
        load_workflow("plain_directory:order")
    assert "rename yours" not in str(refused.value)
