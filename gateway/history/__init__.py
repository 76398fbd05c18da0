"""History: every reading, in one SQLite file a day."""

from gateway.history.days import History, Sample, Stored
from gateway.history.reading import HistorySeries

__all__ = ["History", "HistorySeries", "Sample", "Stored"]
