"""Names of objects: which ones Kubernetes accepts, and errors for the others that say so."""

import re
import secrets
import unicodedata

from grctl.arguments import check_namespace_name
from grctl.client.errors import InvalidNameError
from grctl.models.base import NAME_LENGTH as LONGEST
from grctl.models.base import NAME_PATTERN

RANDOM_PART_LENGTH = 13  # letters of 5 bits: no two events of a run get the same name
ALPHABET = "abcdefghijkmnopqrstuvwxyz2345679"

OBJECT_NAME = re.compile(NAME_PATTERN)
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character. Python makes one of each byte of a command's argument that is not UTF-8."""
ACCENTS = re.compile(r"[\u0300-\u036f]")
"""NFKD puts them behind their letters."""


def check_name(name: object, what: str) -> None:
    """Raise InvalidNameError for a value that is not a DNS subdomain name.

    Args:
        name: The name.
        what: What the user calls it, such as `workflow_id`.

    Raises:
        InvalidNameError: the message says what fits, and suggests a similar name.
    """
    if isinstance(name, str) and len(name) <= LONGEST and OBJECT_NAME.fullmatch(name):
        return
    fitting = fitting_name(str(name))
    hint = f" {fitting!r} would fit." if fitting else ""
    raise InvalidNameError(
        f"{what} {name!r} is not a name of a Kubernetes object: 1 to {LONGEST} lower-case letters,"
        f" digits, '-' and '.', beginning and ending with a letter or digit.{hint}"
    )


def check_namespace(name: str) -> None:
    """Raise InvalidNameError for a text that cannot be the name of a namespace.

    Raises:
        InvalidNameError: the message says what fits.
    """
    try:
        check_namespace_name(name)
    except ValueError as error:
        raise InvalidNameError(str(error)) from None


def check_text(text: object, what: str) -> None:
    """Raise ValueError for a value that is not a name of a workflow type or of an event.

    Any text may be one.

    Raises:
        ValueError: the value is not text, is empty or over 253 characters, or has a surrogate.
    """
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        raise ValueError(f"{what} must be text of 1 to {LONGEST} characters, not {text!r}.")
    if SURROGATE.search(text):
        raise ValueError(f"{what} {text!r} has half a character (a surrogate): no JSON can.")


def fitting_name(text: str, longest: int = LONGEST) -> str:
    """Return the valid name that is most like a text; empty if no character can stay.

    Example:
        >>> fitting_name("Große_Bestellung")
        'grosse-bestellung'
    """
    plain = ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    cleaned = re.sub(r"[^a-z0-9.-]+", "-", plain)
    labels = [label.strip("-") for label in cleaned[:longest].split(".")]
    return ".".join(label for label in labels if label)


def event_object_name(workflow_id: str, event_name: str) -> str:
    """Return a unique name for an event, which people can read in a list.

    Example:
        >>> event_object_name("order-abc", "approve")
        'order-abc-approve-k7w2hq5zt9c3n'
    """
    token = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_PART_LENGTH))
    readable = fitting_name(f"{workflow_id}-{event_name}", LONGEST - RANDOM_PART_LENGTH - 1)
    return f"{readable}-{token}"
