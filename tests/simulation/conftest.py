"""Hands that tests of the physics share: building one takes a second."""

from typing import Any

import pytest


@pytest.fixture(scope="session", params=["fixed", "free"])
def hand(request: pytest.FixtureRequest) -> Any:
    """The stripped hand, its wrist fixed and free."""
    pytest.importorskip("mujoco", reason="needs the extra aemg[simulation]")
    pytest.importorskip("myo_sim", reason="needs the extra aemg[simulation]")
    from aemg.simulation.hand import hand_model

    return hand_model(request.param)


@pytest.fixture(scope="session")
def fixed_hand() -> Any:
    """The hand with its wrist fixed: 20 joints, 31 muscles."""
    pytest.importorskip("mujoco", reason="needs the extra aemg[simulation]")
    pytest.importorskip("myo_sim", reason="needs the extra aemg[simulation]")
    from aemg.simulation.hand import hand_model

    return hand_model("fixed")
