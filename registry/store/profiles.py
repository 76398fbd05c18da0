"""Profiles: what like devices share."""

import sqlite3

from registry.model import Profile
from registry.store.codec import pack, unpack
from registry.store.transaction import Transaction


def put(tx: Transaction, profile: Profile) -> bool:
    """Store a profile; False if it was there as it is."""
    body = pack(profile)
    return (
        tx.execute(
            "INSERT INTO profile(name, body) VALUES(?,?)"
            " ON CONFLICT(name) DO UPDATE SET body=excluded.body WHERE body<>excluded.body",
            (profile.name, body),
        ).rowcount
        > 0
    )


def remove(tx: Transaction, name: str) -> bool:
    """Forget a profile; devices made from it keep their points."""
    return tx.execute("DELETE FROM profile WHERE name=?", (name,)).rowcount > 0


def everything(conn: sqlite3.Connection) -> dict[str, Profile]:
    """Return all profiles by name."""
    rows = conn.execute("SELECT name, body FROM profile ORDER BY name")
    return {name: unpack(body, Profile) for name, body in rows}
