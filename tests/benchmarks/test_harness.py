"""The benchmark runs end to end. These tests assert no figure, because a test asserts no time."""

from pathlib import Path

import orjson

from benchmarks.__main__ import main


def test_a_round_measures_every_load_and_the_floor(tmp_path: Path) -> None:
    main(["--small", "--rounds", "1", "--json", str(tmp_path / "found.json")])

    found = orjson.loads((tmp_path / "found.json").read_bytes())
    (figures,) = found["rounds"]
    assert {name: each["events"] for name, each in figures["loads"].items()} == {
        "W3": 5,
        "W4 one task": 2,
        "W4 two tasks": 2,
        "W1 5": 5,
        "W2": 4,
        "W2 at half": 4,
        "full inbox": 5,
    }
    assert {pace: each["events"] for pace, each in figures["floors"].items()} == {
        "at once": 4,
        "one by one": 3,
    }
    assert set(figures["memory"]) == {"API server", "operator", "worker"}
    assert found["machine"]["commit"]


def test_starts_and_failovers_are_measured_with_many_runs_and_events(tmp_path: Path) -> None:
    main(["--large", "--small", "--rounds", "1", "--json", str(tmp_path / "found.json")])

    (figures,) = orjson.loads((tmp_path / "found.json").read_bytes())["large"]
    assert len(figures) == 9
    assert all(isinstance(each, float) for each in figures.values())
