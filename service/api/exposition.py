"""Metrics of several processes as one text for Prometheus, in which a label says whose each number is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector


def combined(label: str, texts: Mapping[str, bytes]) -> bytes:
    """Put texts in Prometheus's form together.

    Args:
        label: name of the label that tells the texts apart.
        texts: the metrics of each process, by the label's value.
    """
    families: dict[str, Metric] = {}
    for value, text in texts.items():
        for family in text_string_to_metric_families(text.decode()):
            whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            whole.samples += [sample._replace(labels={**sample.labels, label: value}) for sample in family.samples]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Known(families.values()))
    return generate_latest(registry)


class _Known(Collector):
    """Metrics that are known already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
