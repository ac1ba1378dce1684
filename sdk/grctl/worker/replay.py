"""What a call gave, as an entry of the journal, and the value or error that is made of an entry.

1. The call that ran returns what is made of its entry, and raises what is made of it. So a handler
   sees the same in each attempt, and an annotation that does not fit shows at the first call.
2. An error is made again as the same class if that is loaded and can be made from the message.
   Nothing is imported. Attributes that the class sets itself are not kept.
"""

import sys
from datetime import datetime
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from grctl.json.serialization import check_size, cut, to_json
from grctl.json.validating import validate_json
from grctl.models.journal import Entry
from grctl.models.limits import MAX_TASK_RESULT_BYTES
from grctl.worker.execution_clock import write_moment
from grctl.worker.failure import text_of, type_name, type_name_of
from grctl.worker.task_errors import TaskFailedError, TaskResultError

MAX_ERROR_MESSAGE_BYTES = 1024
"""Of a task's error in the journal."""
MAX_ERROR_TYPE_BYTES = 256
TOO_LARGE_HINT = (
    "Return a reference to it, or define the task with @task(record=False): then it runs again in"
    " each attempt at the handler."
)


def result_entry(task: str, value: Any, attempt: int, now: datetime) -> Entry:
    """Return the entry of a call that returned a value.

    Raises:
        NotJsonError: the value cannot be kept as JSON.
        TooLargeError: it is larger than a result may be.
    """
    what = f"the result of task {task}"
    json = to_json(value, what, comes_back=True)
    check_size(json, MAX_TASK_RESULT_BYTES, what, TOO_LARGE_HINT)
    return {"ok": json, "n": attempt, "at": write_moment(now)}


def error_entry(error: BaseException, attempt: int, now: datetime) -> Entry:
    """Return the entry of a call whose last attempt raised."""
    return {"error": describe_error(error), "n": attempt, "at": write_moment(now)}


def describe_error(error: BaseException) -> dict[str, str]:
    """Return the type and the message of an error, as the journal has them."""
    return {
        "type": cut(type_name(error), MAX_ERROR_TYPE_BYTES),
        "message": cut(text_of(error), MAX_ERROR_MESSAGE_BYTES),
    }


def value_of(task: str, entry: Entry, adapter: TypeAdapter[Any] | None) -> Any:
    """Return the value of a call that succeeded.

    Raises:
        TaskResultError: it does not fit the annotation of the task's function.
    """
    json = entry.get("ok")
    if adapter is None:
        return orjson.loads(orjson.dumps(json)) if isinstance(json, dict | list) else json
    try:
        return validate_json(adapter, json)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]["msg"]
        raise TaskResultError(
            f"Task {task} is annotated to return another type than its recorded result has: {found}"
        ) from error


def error_of(task: str, entry: Entry) -> BaseException:
    """Return the error of a call that failed: of its class, or a TaskFailedError."""
    error = entry.get("error") or {}
    name, message = str(error.get("type", "")), str(error.get("message", ""))
    kind = _loaded_class(name)
    made = _make(kind, message) if kind is not None else None
    return made if made is not None else TaskFailedError(task, name, message)


def _loaded_class(name: str) -> type[BaseException] | None:
    """Return the class of a qualified name if it is loaded; None if it is not, or if several are.

    A class that its module does not have (it was defined in a function) is found too.
    """
    parts = name.split(".")
    for count in range(len(parts)):
        module = sys.modules.get(".".join(parts[:count]) or "builtins")
        found: Any = module
        for part in parts[count:]:
            found = getattr(found, part, None)
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
    named = [each for each in _subclasses(BaseException) if type_name_of(each) == name]
    return named[0] if len(named) == 1 else None


def _subclasses(kind: type[BaseException]) -> set[type[BaseException]]:
    """Return all classes that are loaded and derived from a class."""
    found: set[type[BaseException]] = set()
    left = [kind]
    while left:
        new = [each for each in left.pop().__subclasses__() if each not in found]
        found.update(new)
        left += new
    return found


def _make(kind: type[BaseException], message: str) -> BaseException | None:
    """Return an error of a class with a message; None if the class makes another text of it.

    A class whose `__init__` takes something else is made without it.
    """
    for make in (kind, lambda text: kind.__new__(kind, text)):
        try:
            made = make(message)
            if str(made) == message or (isinstance(made, KeyError) and made.args == (message,)):
                return made
        except Exception:  # noqa: BLE001, S112  code of the user's class
            continue
    return None
