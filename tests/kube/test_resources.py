import pytest

from grctl.kube import RUNS


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_would_lead_to_another_path_is_refused(name: str) -> None:
    for wrong in ({"namespace": name}, {"namespace": "shop", "name": name}):
        with pytest.raises(ValueError, match=f"'{name}' is not a name of an object"):
            RUNS.path(**wrong)


@pytest.mark.parametrize("name", ["a/../../pods", "a?b", "a#b", "a%2fb", "größe", "a b", "..."])
def test_a_name_takes_up_one_segment_of_the_path(name: str) -> None:
    path = RUNS.path(name, name, "status")
    assert path.count("/") == RUNS.path("shop", "order-1", "status").count("/")
    assert not {"?", "#", " "} & set(path)
