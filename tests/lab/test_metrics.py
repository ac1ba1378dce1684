"""An operator's metrics are read as it exposes them."""

from tests.lab.metrics import Figures, samples

TEXT = """\
# HELP grctl_api_requests_total Requests to the API server.
# TYPE grctl_api_requests_total counter
grctl_api_requests_total{code="200",resource="leases",verb="update"} 3.0
grctl_api_requests_total{code="200",resource="workflowruns/status",verb="update"} 2.0
grctl_api_requests_total{code="409",resource="workflowruns/status",verb="update"} 1.0
grctl_views_total 4.0
grctl_dispatch_to_commit_seconds_bucket{kind="event",le="+Inf"} 7.0
"""


def test_a_value_is_the_sum_of_all_samples_with_the_labels() -> None:
    figures = Figures(list(samples(TEXT)))

    assert figures.value("grctl_views_total") == 4
    assert figures.value("grctl_api_requests_total") == 6
    assert figures.value("grctl_api_requests_total", code="409") == 1
    assert figures.value("grctl_dispatch_to_commit_seconds_bucket", le="+Inf") == 7
    assert figures.value("grctl_inversions_total") == 0
    assert "grctl_inversions_total" not in figures.names


def test_requests_are_counted_by_verb_and_resource() -> None:
    figures = Figures(list(samples(TEXT)))

    assert figures.requests == {"update leases": 3, "update workflowruns/status": 3}
