"""Which of several model servers is asked for a model, and their metrics as one text."""

from __future__ import annotations

from collections import Counter

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as Counted
from prometheus_client.parser import text_string_to_metric_families

from service.api.compute.servers import in_order
from service.api.exposition import combined

URLS = [f"http://127.0.0.{number}:8001" for number in range(1, 5)]
MODELS = [f"model-{number}" for number in range(400)]


def test_a_model_has_one_order_however_the_servers_are_listed() -> None:
    assert all(in_order(URLS, model) == in_order(URLS[::-1], model) for model in MODELS)
    assert all(sorted(in_order(URLS, model)) == URLS for model in MODELS)


def test_every_server_has_about_as_many_models_first_and_is_as_often_the_next() -> None:
    for place in (0, 1):
        counts = Counter(in_order(URLS, model)[place] for model in MODELS)
        assert all(50 < counts[url] < 150 for url in URLS)


def test_where_a_server_goes_its_models_move_to_their_next_and_no_other_moves() -> None:
    for model in MODELS:
        first, second, *_ = in_order(URLS, model)
        assert in_order([url for url in URLS if url != first], model)[0] == second
        assert in_order([*URLS, "http://127.0.0.9:8001"], model)[0] in (first, "http://127.0.0.9:8001")


def told(requests: int) -> bytes:
    registry = CollectorRegistry()
    Counted("requests", "Requests.", ["model"], registry=registry).labels('a "b"').inc(requests)
    Gauge("waiting", "Waiting.", registry=registry).set(requests)
    Histogram("seconds", "Seconds.", buckets=(1, 2), registry=registry).observe(1.5)
    return generate_latest(registry)


def test_metrics_of_several_processes_are_told_apart_by_a_label() -> None:
    text = combined("server", {"one": told(1), "two": told(2)})
    found = list(text_string_to_metric_families(text.decode()))
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in found for sample in family.samples
    }

    assert len({family.name for family in found}) == len(found)  # Prometheus refuses a name that comes twice
    assert {family.name: family.type for family in found}.items() >= {
        ("requests", "counter"),
        ("waiting", "gauge"),
        ("seconds", "histogram"),
    }
    assert values["requests_total", ("model", 'a "b"'), ("server", "one")] == 1
    assert values["requests_total", ("model", 'a "b"'), ("server", "two")] == 2
    assert values["waiting", ("server", "two")] == 2
    assert values["seconds_bucket", ("le", "2.0"), ("server", "one")] == 1
