"""What the operator's unit tests share."""

import pytest

from fixtures.operator_world import World


@pytest.fixture
def world() -> World:
    """A cluster without anything in it, and an operator."""
    return World()
