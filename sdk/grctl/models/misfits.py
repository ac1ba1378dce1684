"""Put pydantic's errors about an object into words that are safe to log: they quote no value."""

from pydantic import ValidationError


def misfits_of(error: ValidationError, whole: str) -> list[str]:
    """Return a text for each field that does not fit, such as `spec.timeout: too long`.

    Args:
        error: The error that pydantic raised.
        whole: The name of the object, for an error about the object as a whole.
    """
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [f"{'.'.join(map(str, each['loc'])) or whole}: {each['msg']}" for each in found]
