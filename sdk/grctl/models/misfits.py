"""What pydantic finds wrong with an object, in words that are safe to log: no value is quoted."""

from pydantic import ValidationError


def misfits_of(error: ValidationError, whole: str) -> list[str]:
    """Return what is wrong with each field that does not fit, such as `spec.timeout: too long`.

    Args:
        error: What pydantic raised.
        whole: What the object is called if it does not fit as a whole.
    """
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [f"{'.'.join(map(str, each['loc'])) or whole}: {each['msg']}" for each in found]
