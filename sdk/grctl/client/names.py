"""Names of objects: what Kubernetes takes, and what to say about what it does not."""

import re
import secrets
import unicodedata

from grctl.client.errors import InvalidNameError
from grctl.models.base import NAME_LENGTH as LONGEST
from grctl.models.base import NAME_PATTERN

RANDOM = 13  # letters of 5 bits: no two events of a run meet
ALPHABET = "abcdefghijkmnopqrstuvwxyz2345679"

LONGEST_NAMESPACE = 63  # characters: a DNS label

NAME = re.compile(NAME_PATTERN)
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character. Python makes it of bytes in an argument of a command that are not UTF-8."""
ACCENTS = re.compile(r"[\u0300-\u036f]")
"""They stand behind their letters, once those are taken apart."""


def check_name(name: object, what: str) -> None:
    """Refuse what is no DNS subdomain name.

    Args:
        name: The name.
        what: What it is to the user, such as `workflow_id`.

    Raises:
        InvalidNameError: says what fits, and a similar name that does.
    """
    if isinstance(name, str) and len(name) <= LONGEST and NAME.fullmatch(name):
        return
    fitting = fitting_name(str(name))
    hint = f" {fitting!r} would fit." if fitting else ""
    raise InvalidNameError(
        f"{what} {name!r} is no name of a Kubernetes object: 1 to {LONGEST} lower-case letters,"
        f" digits, '-' and '.', beginning and ending with a letter or digit.{hint}"
    )


def check_namespace(name: str) -> None:
    """Raise InvalidNameError for a text that cannot be the name of a namespace.

    Raises:
        InvalidNameError: says what fits.
    """
    if not (len(name) <= LONGEST_NAMESPACE and NAMESPACE.fullmatch(name)):
        raise InvalidNameError(
            f"namespace {name!r} is not a name of a namespace: 1 to {LONGEST_NAMESPACE} lower-case"
            " letters, digits and '-', beginning and ending with a letter or digit."
        )


def check_text(text: object, what: str) -> None:
    """Refuse what cannot name a workflow type or an event, which may be any text.

    Raises:
        ValueError: it is not text, is empty or longer than 253 characters, or has a surrogate.
    """
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        raise ValueError(f"{what} must be text of 1 to {LONGEST} characters, not {text!r}.")
    if SURROGATE.search(text):
        raise ValueError(f"{what} {text!r} has half a character (a surrogate): no JSON can.")


def fitting_name(text: str, longest: int = LONGEST) -> str:
    """Give the name that is most like a text; empty where nothing of it can stay.

    Example:
        >>> fitting_name("Große_Bestellung")
        'grosse-bestellung'
    """
    plain = ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    cleaned = re.sub(r"[^a-z0-9.-]+", "-", plain)
    labels = [label.strip("-") for label in cleaned[:longest].split(".")]
    return ".".join(label for label in labels if label)


def event_object_name(workflow_id: str, event_name: str) -> str:
    """Make a name for an event that no other has, and that people can read in a list.

    Example:
        >>> event_object_name("order-abc", "approve")
        'order-abc-approve-k7w2hq5zt9c3n'
    """
    token = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM))
    readable = fitting_name(f"{workflow_id}-{event_name}", LONGEST - RANDOM - 1)
    return f"{readable}-{token}"
