"""Odd objects and messages, as text, because a JSON library would not write them.

A strategy draws a healthy text and replaces a few of its fields with odd ones. So most of each text
can be read: a text that is refused at once would find little.
"""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

DEPTHS = (2, 99, 100, 101, 150, 196, 200, 252, 254, 255, 300, 1021, 1024, 1025, 5000, 10_000)
LITERALS = (
    "null", "true", "0", "-1", "1.0", "1e400", "-1e400", "NaN", "Infinity", "1e308", "0.1e-999",
    str(2**63), str(2**64), str(-(2**63) - 1), str(10**400), '""', "[]", "{}", '"\\ud800"',
    '"\\udc00\\ud800"', '"\\u0000"', '"\x7f\u2028\u202e"', '{"a":1,"a":[2]}', '{"\\ud800":1}',
    '{"":{"":[]}}', '{"__class__":{}}', "[null,null]", "[1]", '"99999999999h"', '"0s"', "[[[]]]",
    '"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59.999999999Z"', '"Pending"', '"yesterday"',
)  # fmt: skip
BROKEN = ("", "{", "]", '"', "\\", "nul", "{'a':1}", '{"a" 1}', "\udcff")
"""Not JSON at all. Surrogates stand for bytes that are not UTF-8."""


def nested(levels: int, opening: str, closing: str) -> str:
    return opening * levels + closing * levels


deep = st.builds(
    lambda levels, kind: nested(levels, *kind),
    st.sampled_from(DEPTHS),
    st.sampled_from([("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ('[1,"]",', "]")]),
).map(lambda text: text.replace(":}", ":0}").replace(",]", ",0]"))
wide = st.sampled_from([100, 20_000]).map(lambda count: f"[{','.join(['[]'] * count)}]")
long = st.sampled_from([300, 70_000]).map(lambda count: f'"{"x" * count}"')
plain = st.recursive(
    st.sampled_from(LITERALS),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(inner, max_size=3).map(
            lambda parts: "{" + ",".join(f'"k{at}":{part}' for at, part in enumerate(parts)) + "}"
        )
    ),
    max_leaves=6,
)
odd = st.one_of(st.sampled_from(LITERALS), plain, deep, wide, long)
odd_or_broken = st.one_of(odd, odd, odd, st.sampled_from(BROKEN))


def written(value: Any, odds: Mapping[str, str], path: str = "") -> str:
    """Write JSON with odd texts at some paths. An empty text leaves its field out."""
    if path in odds:
        return odds[path]
    if isinstance(value, dict):
        fields = ((key, written(each, odds, f"{path}.{key}")) for key, each in value.items())
        return "{" + ",".join(f'"{key}":{text}' for key, text in fields if text) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(each, odds, f"{path}[]") for each in value) + "]"
    return "null" if value is None else _scalar(value)


def _scalar(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def paths(value: Any, path: str = "") -> list[str]:
    """Return the paths of all fields."""
    if isinstance(value, list):
        return [found for each in value for found in paths(each, f"{path}[]")]
    if not isinstance(value, dict):
        return []
    own = [f"{path}.{key}" for key in value]
    return own + [found for key, each in value.items() for found in paths(each, f"{path}.{key}")]


def with_oddities(healthy: Json, values: st.SearchStrategy[str] = odd) -> st.SearchStrategy[str]:
    """Draw the text of an object in which one to three fields are odd, or are missing."""
    fields = sorted(set(paths(healthy)))
    some = st.dictionaries(
        st.sampled_from(fields), st.one_of(values, st.just("")), min_size=1, max_size=3
    )
    return some.map(lambda odds: written(healthy, odds))


def as_bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape" if "\udcff" in text else "surrogatepass")
