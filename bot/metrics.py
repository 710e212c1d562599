"""What is counted, for `/metrics` in the Prometheus text format.

Each bot has its own registry: two bots in one process, as in a test, do not count into each other.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The house's counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.requests = Counter(
            "kairanban_webhook_requests",
            "Webhook requests by their answer: accepted, unsigned, malformed, too_large, unavailable.",
            ["adapter", "answer"],
            registry=self.registry,
        )
        self.intake_seconds = Histogram(
            "kairanban_intake_seconds",
            "From the request's body to the durable commit.",
            ["adapter"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.events = Counter(
            "kairanban_events",
            "Events by outcome: received, repeated at intake; handled, refused, duplicate, ignored, retried, failed. "
            "Of the type unused are those that are understood and not for us.",
            ["adapter", "type", "outcome"],
            registry=self.registry,
        )
        self.handler_seconds = Histogram(
            "kairanban_handler_seconds",
            "One attempt to handle an event, or one bulk transaction.",
            ["type"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.backlog = Gauge("kairanban_inbox_backlog", "Events not handled yet.", registry=self.registry)
        self.failed = Gauge(
            "kairanban_inbox_failed",
            "Events given up, kept for replay; counted up to 1,000.",
            registry=self.registry,
        )
        self.deliveries = Gauge(
            "kairanban_deliveries", "Messages in the outbox by state.", ["adapter", "state"], registry=self.registry
        )
        self.platform_up = Gauge(
            "kairanban_platform_up",
            "1 while calls to a platform succeed, 0 while it is down and its members are reached elsewhere.",
            ["adapter"],
            registry=self.registry,
        )

    def watch_backlog(self, size: Callable[[], int]) -> None:
        """Ask `size` for the backlog at every scrape."""
        self.backlog.set_function(size)

    def events_taken(self) -> int:
        """Events taken in so far, over all adapters; one that came again counts once."""
        samples = [sample for metric in self.events.collect() for sample in metric.samples]
        counts = {
            outcome: sum(
                sample.value
                for sample in samples
                if sample.name.endswith("_total") and sample.labels["outcome"] == outcome
            )
            for outcome in ("received", "repeated")
        }
        return int(counts["received"] - counts["repeated"])

    def text(self) -> bytes:
        """Everything, in the text format."""
        return generate_latest(self.registry)
