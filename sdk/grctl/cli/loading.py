"""From `MODULE:NAME` to the workflow of that name. Errors say what is wrong and what would fit.

Modules are found as `python -m` finds them: the current directory comes first. A user's file there
with the name of a module of the standard library is a trap in two ways. Python may have loaded its
own module already and takes that one. Or a library that is loaded later gets the user's file. The
errors name both files.
"""

import importlib
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from grctl.workflow import Handler, Query, Workflow, workflow_of


class LoadError(Exception):
    """There is no workflow under that name."""


def load_workflow(reference: str) -> Workflow:
    """Return the workflow that `MODULE:NAME` names, itself or by one of its handlers.

    Raises:
        LoadError: there is none; the message says what is wrong and what would fit.
    """
    module_name, _, name = reference.partition(":")
    if not _is_dotted(module_name) or not name or module_name.endswith(".py"):
        raise LoadError(f"{reference!r} is not MODULE:NAME: write it like {_corrected(reference)}")
    module = _module(module_name)
    try:
        return workflow_of(_attribute(module, name))
    except TypeError as error:
        raise LoadError(f"{reference}: {error} {_list_workflows(module)}") from error


def _is_dotted(name: str) -> bool:
    """Whether a text can be the full name of a module. A relative name cannot."""
    return all(part.isidentifier() for part in name.split("."))


def _corrected(reference: str) -> str:
    """Return the reference that was probably meant: a path is the commonest mistake."""
    module_name, _, name = reference.partition(":")
    dotted = module_name.removesuffix(".py").strip("./").replace("/", ".") or "examples.orders"
    return f"{dotted}:{name or 'order'}"


def _module(name: str) -> ModuleType:
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            text = f"{error}{_place_of(error)}{_hiding_hint(directory)}"
            raise LoadError(f"{name} cannot be imported: {text}") from error
        raise LoadError(
            f"There is no module {error.name!r}; looked in {directory} and among the installed"
            f" packages.{_other_module_hint(name)}"
        ) from error
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        text = f"it calls sys.exit({error.code!r}){_place_of(error)}: keep that for `__main__`"
        raise LoadError(f"{name} cannot be imported: {text}") from error
    except BaseException as error:
        text = f"{type(error).__name__}: {error}{_place_of(error)}{_hiding_hint(directory)}"
        raise LoadError(f"{name} cannot be imported: {text}") from error


def _hiding_hint(directory: str) -> str:
    """Return a hint that names the user's files that hide a module of the standard library."""
    hiding = [
        each
        for each in sorted(Path(directory).glob("*"))
        if each.stem in sys.stdlib_module_names and _is_module(each)
    ]
    if not hiding:
        return ""
    named = ", ".join(map(str, hiding))
    return f". Python takes {named} for a module of the standard library: rename it."


def _is_module(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").exists()


def _other_module_hint(name: str) -> str:
    """Return a hint if Python took the first part of a module's name from another file.

    For `operator.orders`, for example, it takes `operator` from the standard library.
    """
    top = sys.modules.get(name.partition(".")[0])
    if top is None:
        return ""
    taken, own = _file_of(top), _own_file(top.__name__)
    if own is None or taken == str(own):
        return ""
    return f" Python took {taken} for {top.__name__}, not {own}: rename yours."


def _file_of(module: ModuleType) -> str:
    directories = getattr(module, "__path__", ())  # a package without a file has nothing else
    return getattr(module, "__file__", None) or next(iter(directories), "one of its own")


def _own_file(name: str) -> Path | None:
    """Return the file or folder of the current directory that has a module's name."""
    paths = (Path.cwd() / f"{name}.py", Path.cwd() / name / "__init__.py", Path.cwd() / name)
    return next((each for each in paths if each.exists()), None)


def _place_of(error: BaseException) -> str:
    """Return the file and the line of the user's code that raised an error."""
    if isinstance(error, SyntaxError):
        return ""  # its text names the line
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and frame.filename != __file__
    ]
    ours = str(Path(__file__).parent.parent)
    theirs = [frame for frame in frames if not frame.filename.startswith(ours)] or frames
    return f" ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else ""


def _attribute(module: ModuleType, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        near = get_close_matches(name, vars(module), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        text = f"{module.__name__} has no {name!r}.{hint} {_list_workflows(module)}"
        raise LoadError(f"{text}{_other_module_hint(module.__name__)}") from None


def _list_workflows(module: ModuleType) -> str:
    """Return the names of the workflows of a module; of a hidden workflow that of a handler."""
    found = {key: each for key, each in vars(module).items() if isinstance(each, Workflow)}
    named = {id(each) for each in found.values()}
    for key, each in vars(module).items():
        if isinstance(each, Handler | Query) and id(each.workflow) not in named:
            named.add(id(each.workflow))
            found[key] = each.workflow
    return f"Workflows in it: {', '.join(sorted(found)) or 'none'}."
