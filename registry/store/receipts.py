"""Receipts of broker deliveries that carry no source time: a redelivery is taken once."""

from registry.model import Receipt
from registry.store.transaction import Transaction


def take(tx: Transaction, receipt: Receipt) -> bool:
    """Note a delivery; False: this very delivery was stored before, drop its readings."""
    if receipt.dup:
        row = tx.execute(
            "SELECT digest FROM receipt WHERE source=? AND mid=?", (receipt.source, receipt.mid)
        ).fetchone()
        if row is not None and row[0] == receipt.digest:
            return False
    tx.execute(
        "INSERT INTO receipt(source, mid, digest) VALUES(?,?,?)"
        " ON CONFLICT(source, mid) DO UPDATE SET digest=excluded.digest",
        (receipt.source, receipt.mid, receipt.digest),
    )
    return True


def forget(tx: Transaction, source: str) -> None:
    """Drop the receipts of a session that the broker has begun anew."""
    tx.execute("DELETE FROM receipt WHERE source=?", (source,))
