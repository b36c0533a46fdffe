"""The stripped hand moves as MyoHand does, and is kept between runs."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import aemg.simulation.hand
from aemg.errors import AEMGError
from aemg.simulation.cache import cache_folder, cached_file

mujoco = pytest.importorskip("mujoco", reason="needs the extra aemg[simulation]")
pytest.importorskip("myo_sim", reason="needs the extra aemg[simulation]")

from aemg.simulation.hand import hand_model  # noqa: E402
from aemg.simulation.hand.model import FINGERS, WRIST_JOINTS, WRIST_MUSCLES, configure, full_spec  # noqa: E402
from aemg.simulation.hand.skeleton import SKELETON, skeleton  # noqa: E402


def moments(model: Any, data: Any) -> np.ndarray:
    dense = np.zeros((model.nu, model.nv))
    mujoco.mju_sparse2dense(dense, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind)
    return dense


def test_the_stripped_hand_is_the_whole_one(hand: Any) -> None:
    full = full_spec(hand.wrist).compile()
    configure(full, hand.timestep_s, gravity=False)
    assert hand.model.nbody < full.nbody / 2 and hand.model.nwrap < full.nwrap and hand.model.nmesh == 0
    whole, ours, rng = mujoco.MjData(full), mujoco.MjData(hand.model), np.random.default_rng(0)
    for _ in range(40):
        whole.qpos[:] = ours.qpos[:] = rng.uniform(hand.lower - 0.1, hand.upper + 0.1)
        mujoco.mj_forward(full, whole)
        mujoco.mj_forward(hand.model, ours)
        np.testing.assert_allclose(ours.actuator_length, whole.actuator_length, rtol=0, atol=1e-12)
        np.testing.assert_allclose(moments(hand.model, ours), moments(full, whole), rtol=0, atol=1e-12)
    mujoco.mj_resetData(full, whole)
    mujoco.mj_resetData(hand.model, ours)
    for _ in range(40):
        whole.ctrl[:] = ours.ctrl[:] = 0.5 * rng.random(len(hand.muscles))
        mujoco.mj_step(full, whole, 10)
        mujoco.mj_step(hand.model, ours, 10)
    assert np.abs(whole.qpos).max() > 0.3
    np.testing.assert_allclose(ours.qpos, whole.qpos, rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.act, whole.act, rtol=0, atol=1e-12)


def test_the_fixed_wrist_lacks_what_only_moves_the_wrist(hand: Any) -> None:
    assert (len(hand.joints), len(hand.muscles)) == {"fixed": (20, 31), "free": (23, 39)}[hand.wrist]
    assert set(hand.joints).isdisjoint(WRIST_JOINTS) == (hand.wrist == "fixed")
    assert set(hand.muscles).isdisjoint(WRIST_MUSCLES) == (hand.wrist == "fixed")
    assert (hand.lower < hand.upper).all() and hand.model.opt.timestep == 0.004


def test_gravity_is_there_on_request() -> None:
    def pull(gravity: bool) -> float:
        hand = hand_model("free", gravity=gravity)
        data = mujoco.MjData(hand.model)
        mujoco.mj_forward(hand.model, data)
        return float(np.abs(data.qfrc_bias).max())

    assert pull(True) > 0.1 and pull(False) < 1e-9


def test_a_second_hand_is_read_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEMG_CACHE", str(tmp_path))
    first = hand_model.__wrapped__("fixed")
    (kept,) = tmp_path.rglob("*.mjb")
    monkeypatch.setattr("aemg.simulation.hand.model.stripped_spec", lambda wrist: pytest.fail("built again"))
    np.testing.assert_array_equal(hand_model.__wrapped__("fixed").model.site_pos, first.model.site_pos)
    assert mujoco.__version__ in kept.name


def test_cached_files_are_whole_whoever_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEMG_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path

    def write(path: Path) -> None:
        path.write_bytes(b"x" * 100_000)

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: cached_file("deep/file.bin", write), range(16)))
    assert {path.read_bytes() for path in paths} == {b"x" * 100_000}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file.bin"]
    with pytest.raises(RuntimeError, match="no"):
        cached_file("deep/other.bin", lambda path: (_ for _ in ()).throw(RuntimeError("no")))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file.bin"]


def test_mistakes_are_named(fixed_hand: Any) -> None:
    with pytest.raises(AEMGError, match="wrist must be one of free, fixed"):
        hand_model("loose")
    with pytest.raises(AEMGError, match="finger must be one of thumb"):
        fixed_hand.finger_joints("toe")


@pytest.mark.parametrize("package", ["mujoco", "myo_sim"])
def test_without_a_package_the_extra_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("aemg.simulation.hand.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(AEMGError, match=rf"needs {package}: pip install 'aemg\[simulation\]'"):
        aemg.simulation.hand.Hands  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'foot'"):
        aemg.simulation.hand.foot  # noqa: B018


def test_bones_keep_their_lengths_and_fingers_bend_to_the_palm(hand: Any) -> None:
    straight, bent = np.zeros((2, len(hand.joints)))
    for finger in FINGERS:
        joints = hand.finger_joints(finger)
        bent[joints] = 0.5 * (hand.lower if finger == "thumb" else hand.upper)[joints]
    points = skeleton(hand, np.stack([straight, bent]))
    assert points.shape == (2, len(SKELETON.names), 3) and len(SKELETON.finger) == len(SKELETON.bones)
    lengths = np.linalg.norm(points[:, SKELETON.bones[:, 1]] - points[:, SKELETON.bones[:, 0]], axis=-1)
    np.testing.assert_allclose(lengths[1], lengths[0], atol=1e-9)
    tips = [SKELETON.names.index(f"{finger} 3") for finger in FINGERS[1:]]
    assert (points[1, tips, 2] < points[0, tips, 2] - 0.02).all() and (points[1, tips, 0] < points[0, tips, 0]).all()
    assert points[0, SKELETON.names.index("thumb 3"), 1] > points[0, SKELETON.names.index("little 3"), 1]
    np.testing.assert_allclose(skeleton(hand, bent[None], scale=1.1)[0], 1.1 * points[1], atol=1e-12)
