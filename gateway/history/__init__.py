"""History: every reading, in one SQLite file a day."""

from gateway.history.days import History, HistorySeries, Sample, Stored

__all__ = ["History", "HistorySeries", "Sample", "Stored"]
