"""A pair of tiers that ends with its test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cascade.pair import Pair


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    for house in pair.houses:
        await house.gone()
