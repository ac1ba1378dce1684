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


def test_a_reference_names_a_workflow_or_a_handler_of_it() -> None:
    assert load_workflow("examples.orders:order") is order
    assert load_workflow("examples.orders:approve") is order
    assert load_workflow("examples.greet:greet") is load_workflow("examples.greet:farewell")


def test_a_module_of_the_current_directory_is_found(tmp_path: Path) -> None:
    text = "from grctl.workflow import Workflow\nmine = Workflow(workflow_type='Mine')\n"
    (tmp_path / "only_here.py").write_text(text, encoding="utf-8")
    assert load_workflow("only_here:mine").workflow_type == "Mine"


@pytest.mark.parametrize("reference", ["examples.orders", "examples/orders.py:order", ":order"])
def test_the_error_of_an_invalid_reference_says_how_to_write_one(reference: str) -> None:
    assert refusal(reference).endswith("write it like examples.orders:order")


def test_the_error_of_a_missing_module_names_the_directory(tmp_path: Path) -> None:
    assert refusal("exampels.orders:order").startswith(
        f"There is no module 'exampels'; looked in {tmp_path}"
    )


def test_the_error_of_a_missing_name_lists_the_nearest_and_all_workflows() -> None:
    assert refusal("examples.orders:oder") == (
        "examples.orders has no 'oder'. Did you mean 'order'? Workflows in it: order."
    )


def test_a_shadowed_workflow_is_listed_by_a_handler() -> None:
    assert "Workflows in it: greet." in refusal("examples.greet:nothing_like_it")


def test_an_object_that_is_not_a_workflow_is_refused() -> None:
    assert "is neither a Workflow nor a handler" in refusal("examples.orders:ship")


def test_the_error_of_a_failing_module_names_file_and_line(tmp_path: Path) -> None:
    text = "from grctl.workflow import Workflow\n\nWorkflow(workflow_type='')\n"
    (tmp_path / "failing_here.py").write_text(text, encoding="utf-8")
    told = refusal("failing_here:order")
    assert told.startswith("failing_here cannot be imported: ValueError: workflow_type must be")
    assert told.endswith(f"({tmp_path / 'failing_here.py'}, line 3)")


def test_a_failed_import_is_not_reported_as_a_missing_module(
    tmp_path: Path,
) -> None:
    (tmp_path / "importing_here.py").write_text("import no_such_driver\n", encoding="utf-8")
    assert "No module named 'no_such_driver'" in refusal("importing_here:order")


@pytest.mark.parametrize(
    ("program", "message"),
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
def test_every_exception_of_an_import_is_reported(
    grctl: Grctl, tmp_path: Path, program: str, message: str
) -> None:
    (tmp_path / "ending_here.py").write_text(program, encoding="utf-8")
    sys.modules.pop("ending_here", None)
    importlib.invalidate_caches()
    done = grctl("worker", "ending_here:order")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"grctl: ending_here cannot be imported: {message}")


@pytest.mark.parametrize(("name", "place"), [("operator", "operator.py"), ("types", "types.py")])
def test_the_error_of_a_module_named_like_a_standard_one_names_both_files(
    tmp_path: Path, name: str, place: str
) -> None:
    (tmp_path / place).write_text("order = 1\n", encoding="utf-8")
    told = refusal(f"{name}:order")
    assert told.endswith(
        f" Python took {sys.modules[name].__file__} for {name}, not {tmp_path / place}:"
        " rename yours."
    )


def test_the_error_of_a_package_named_like_a_standard_one_names_the_directory(
    tmp_path: Path,
) -> None:
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator" / "orders.py").write_text("order = 1\n", encoding="utf-8")
    told = refusal("operator.orders:order")
    assert told.startswith("There is no module 'operator.orders'")
    assert f"for operator, not {tmp_path / 'operator'}: rename yours." in told


def test_the_error_of_a_module_named_like_a_built_in_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "time.py").write_text("order = 1\n", encoding="utf-8")
    told = refusal("time:order")
    assert told.endswith(
        f" Python took one of its own for time, not {tmp_path / 'time.py'}: rename yours."
    )


def test_the_error_names_a_file_that_hides_a_standard_module(tmp_path: Path) -> None:
    (tmp_path / "sndhdr.py").write_text("", encoding="utf-8")
    program = "import sndhdr\nsndhdr.what('x')\n"
    (tmp_path / "hearing_here.py").write_text(program, encoding="utf-8")
    told = refusal("hearing_here:order")
    assert "AttributeError" in told
    assert told.endswith(
        f" Python takes {tmp_path / 'sndhdr.py'} for a module of the standard library: rename it."
    )


def test_the_worker_reports_a_wrong_reference_in_one_line(grctl: Grctl) -> None:
    done = grctl("worker", "examples.orders:oder")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    ["localhost", "http://a b", "http://a:99999", "http://a:x", "http://[::1", "a://b"],
)
def test_the_worker_refuses_an_invalid_address_in_one_line(grctl: Grctl, url: str) -> None:
    done = grctl("worker", "examples.orders:order", "--operator-url", url)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"grctl: {url.rstrip('/')!r} is not an address of an operator")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["..", "a/b", "Shop", "shop,bank"])
def test_the_worker_refuses_an_invalid_namespace_in_one_line(grctl: Grctl, name: str) -> None:
    done = grctl("worker", "examples.orders:order", "--namespace", name)
    assert done.exit_code == 1
    assert done.stderr.startswith(
        f"grctl: namespace {name!r} is not a name of a namespace: 1 to 63"
    )
    assert done.stderr.count("\n") == 1


def test_the_worker_needs_a_workflow(grctl: Grctl) -> None:
    assert grctl("worker").exit_code == 2


@pytest.mark.parametrize(
    "reference", ["../x:order", "/srv:order", "a b:order", ".orders:order", "1a:o"]
)
def test_a_reference_with_an_impossible_module_name_is_refused(reference: str) -> None:
    with pytest.raises(LoadError, match="is not MODULE:NAME: write it like"):
        load_workflow(reference)


def test_a_directory_that_is_a_namespace_package_is_not_reported_as_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_directory").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadError, match="plain_directory has no 'order'") as refused:
        load_workflow("plain_directory:order")
    assert "rename yours" not in str(refused.value)
