"""Learning: its gradients, what it makes of ends, that it improves, and that stopping and splitting change nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aemg.errors import AEMGError, DataFileError
from aemg.virtual_user.policy import Policy, PolicySettings
from aemg.virtual_user.ppo import Learner, PPOSettings, Rollout, advantages, collect, learn

SMALL = PolicySettings(hidden=(32,), deviation=0.5)
QUICK = PPOSettings(
    horizon=16, epochs=4, minibatches=2, discount=0.9, rate=3e-3, final_rate=3e-3, largest_divergence=0.1, precision="fp32"
)


class Points:
    """Points that should be pushed to the origin; chance belongs to a point's number."""

    def __init__(self, number: int, *, first: int = 0, length: int = 20, fall: float = 3.0) -> None:
        self.num_envs, self.first, self.length, self.fall = number, first, length, fall
        self.place, self.age, self.begun = np.zeros((number, 2)), np.zeros(number, int), np.zeros(number, int)

    def _begin(self, which: NDArray[np.intp]) -> None:
        for i in which:
            self.place[i] = np.random.default_rng([self.first + int(i), int(self.begun[i])]).uniform(-2, 2, 2)
        self.begun[which] += 1
        self.age[which] = 0

    def _seen(self) -> NDArray[np.float32]:
        return self.place.astype(np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        self._begin(np.arange(self.num_envs))
        return self._seen(), {}

    def step(self, actions: NDArray[np.float32]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        self.place += 0.3 * np.clip(actions, -2, 2)
        self.age += 1
        distance = np.abs(self.place).max(axis=1)
        terminated = distance > self.fall
        truncated = ~terminated & (self.age >= self.length)
        info: dict[str, Any] = {"measures": {"distance": distance}, "final_obs": self._seen()}
        self._begin(np.flatnonzero(terminated | truncated))
        return self._seen(), np.exp(-distance).astype(np.float32), terminated, truncated, info

    def state(self) -> dict[str, Any]:
        return {"place": self.place.copy(), "age": self.age.copy(), "begun": self.begun.copy()}

    def restore(self, state: dict[str, Any]) -> NDArray[np.float32]:
        self.place[:], self.age[:], self.begun[:] = state["place"], state["age"], state["begun"]
        return self._seen()


def fresh(seed: int = 0, settings: PolicySettings = SMALL) -> Policy:
    torch.manual_seed(seed)
    return Policy(2, 2, settings)


def test_a_tiny_task_is_learnt_in_seconds() -> None:
    policy = fresh()
    rows = learn([Points(64)], policy, QUICK, steps=40_000)
    assert rows[0]["distance"] > 1.2
    assert rows[-1]["distance"] < 0.6
    assert rows[-1]["ended"] == pytest.approx(1 / 20, abs=0.02)
    assert max(row["explained"] for row in rows) > 0.5
    with torch.no_grad():
        push = policy.act(torch.tensor([[1.0, -1.0]]), deterministic=True)[0][0]
    assert push[0] < -0.5 and push[1] > 0.5


def test_the_gradient_is_that_of_the_clipped_objective() -> None:
    """Against finite differences of the objective written out plainly, at a policy that moved since the actions were taken."""
    settings = PPOSettings(clip=0.1, entropy=0.03, precision="fp32")
    policy = fresh(1).double()
    learner = Learner([Points(4)], policy, settings)
    generator = torch.Generator().manual_seed(0)
    x, action = (torch.randn(40, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    advantage, returns = (torch.randn(40, generator=generator, dtype=torch.float64) for _ in range(2))
    policy.normaliser.double()

    def density(p: Policy) -> torch.Tensor:
        normal = torch.distributions.Normal(_double_actor(p, x), p.log_deviation.exp())
        return normal.log_prob(action).sum(dim=1)

    old = density(policy).detach() + 0.2 * torch.randn(40, generator=generator, dtype=torch.float64)

    def objective() -> float:
        with torch.no_grad():
            ratio = (density(policy) - old).exp()
            gain = torch.min(ratio * advantage, ratio.clamp(0.9, 1.1) * advantage).mean()
            error = (_double_critic(policy, x) - returns).square().mean()
            entropy = torch.distributions.Normal(0.0, policy.log_deviation.exp()).entropy().sum()
            return float(-gain + 0.5 * error - 0.03 * entropy)

    gradients, _ = learner._gradient([x, action, old, advantage, returns])
    for parameter, gradient in zip(policy.parameters(), gradients):
        flat = parameter.data.view(-1)
        for i in range(0, len(flat), max(1, len(flat) // 5)):
            kept = float(flat[i])
            values = []
            for step in (1e-6, -1e-6):
                flat[i] = kept + step
                values.append(objective())
            flat[i] = kept
            assert float(gradient.view(-1)[i]) == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-4)
    assert max(float(g.abs().max()) for g in gradients) > 0.05


def _double_actor(policy: Policy, x: torch.Tensor) -> torch.Tensor:
    hidden = torch.nn.functional.silu(x @ policy.actor[0].weight.T + policy.actor[0].bias)
    return hidden @ policy.actor[2].weight.T + policy.actor[2].bias


def _double_critic(policy: Policy, x: torch.Tensor) -> torch.Tensor:
    hidden = torch.nn.functional.silu(x @ policy.critic[0].weight.T + policy.critic[0].bias)
    return (hidden @ policy.critic[2].weight.T + policy.critic[2].bias)[:, 0]


def test_advantages_are_the_exponential_mean_of_the_errors_to_come() -> None:
    rng = torch.Generator().manual_seed(0)
    reward, value, foreseen = (torch.rand(6, 3, generator=rng) for _ in range(3))
    ended = torch.zeros(6, 3, dtype=torch.bool)
    ended[2, 1] = True
    rollout = Rollout(reward, reward, reward, value, reward, foreseen, ended, {})
    found = advantages(rollout, 0.9, 0.8)
    surprise = 0.1 * reward + 0.9 * foreseen - value
    for n in range(3):
        for t in range(6):
            total, weight = 0.0, 1.0
            for k in range(t, 6):
                total += weight * float(surprise[k, n])
                weight *= 0.72
                if ended[k, n]:
                    break
            assert float(found[t, n]) == pytest.approx(total, abs=1e-6)


def test_a_cut_foresees_the_value_of_the_last_observation_and_a_termination_nothing() -> None:
    policy = fresh(2)
    policy.critic[-1].weight.data.mul_(20)
    for length, fall in ((3, 1e9), (1000, 0.0)):
        env = Points(5, length=length, fall=fall)
        first = torch.as_tensor(env.reset()[0])
        noise = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))
        rollout, observation = collect(env, policy, first, noise)
        with torch.no_grad():
            action = policy.act(rollout.observation[2], noise=noise[2])[0]
            last = rollout.observation[2] + 0.3 * action.clamp(-2, 2)
            expected = policy.value(last) if fall else torch.zeros(5)
            torch.testing.assert_close(rollout.foreseen[2], expected, atol=1e-5, rtol=1e-5)
            assert rollout.ended[2].all()
            assert (policy.value(observation) - expected).abs().min() > 1e-4
            if fall:
                torch.testing.assert_close(rollout.foreseen[0], policy.value(rollout.observation[1]))


def test_the_density_is_the_normal_one() -> None:
    policy = fresh(3)
    x, noise = torch.randn(7, 2), torch.randn(7, 2)
    with torch.no_grad():
        action, density, value = policy.act(x, noise=noise)
        mean = policy.act(x, deterministic=True)[0]
        normal = torch.distributions.Normal(mean, policy.log_deviation.exp())
        torch.testing.assert_close(density, normal.log_prob(action).sum(dim=1))
        torch.testing.assert_close(policy.judge(policy.prepare(x), action), (density, value))
        torch.testing.assert_close(policy.entropy, normal.entropy()[0].sum())


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, halves = fresh(), fresh()
    rows = learn([Points(16)], whole, QUICK, seed=3, steps=2048)
    for steps in (1024, 2048):
        again = learn([Points(16)], halves if steps == 1024 else (halves := fresh(9)), _still(QUICK), seed=3, steps=steps,
                      checkpoint=tmp_path / "c.pt")  # fmt: skip
    rows = learn([Points(16)], whole := fresh(), _still(QUICK), seed=3, steps=2048)
    assert [row["reward"] for row in rows] == [row["reward"] for row in again]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, halves.state_dict()[name]), name


def _still(settings: PPOSettings) -> PPOSettings:
    """Without schedules, which depend on the end."""
    from dataclasses import replace

    return replace(settings, final_rate=settings.rate, final_deviation=SMALL.deviation)


def test_a_checkpoint_of_other_shards_or_networks_is_refused(tmp_path: Path) -> None:
    learn([Points(16)], fresh(), QUICK, steps=256, checkpoint=tmp_path / "c.pt")
    with pytest.raises(AEMGError, match="1 shards, not of 2"):
        learn([Points(8), Points(8)], fresh(), QUICK, steps=512, checkpoint=tmp_path / "c.pt")
    with pytest.raises(AEMGError, match="does not fit"):
        learn([Points(16)], fresh(settings=PolicySettings(hidden=(16,))), QUICK, steps=512, checkpoint=tmp_path / "c.pt")
    with pytest.raises(AEMGError, match="needs an end"):
        learn([Points(16)], fresh(), QUICK)


def test_shards_learn_what_the_whole_learns() -> None:
    """Up to the order of additions: the same noise, the same samples, another order in the minibatches' sums."""
    settings = PPOSettings(horizon=8, epochs=1, minibatches=1, precision="fp32")
    results = []
    for shards in ([Points(12)], [Points(4), Points(8, first=4)]):
        policy = fresh()
        rows = learn(shards, policy, settings, seed=1, steps=3 * 96)
        results.append((policy, rows))
    (one, a), (two, b) = results
    np.testing.assert_allclose([r["reward"] for r in a], [r["reward"] for r in b], atol=1e-5)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, two.state_dict()[name], atol=1e-4, rtol=1e-3)


def test_the_critic_is_warmed_before_the_actor_learns() -> None:
    policy = fresh()
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    learner = Learner([Points(16)], policy, PPOSettings(horizon=8, warm_updates=2, final_deviation=0.5, precision="fp32"))
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            learner.iterate(0.0, pool)
        changed = {name for name, value in policy.state_dict().items() if not torch.equal(value, before[name])}
        assert changed and all(name.startswith(("critic", "normaliser")) for name in changed)
        learner.iterate(0.0, pool)
    assert not torch.equal(policy.state_dict()["actor.0.weight"], before["actor.0.weight"])


def test_an_update_ends_once_the_policy_moved_too_far() -> None:
    eager = PPOSettings(horizon=8, epochs=50, minibatches=1, rate=0.05, largest_divergence=0.02, precision="fp32")
    rows = learn([Points(32)], fresh(), eager, steps=256)
    assert rows[0]["descents"] < 50
    assert rows[0]["divergence"] > 0.02


def test_half_precision_acts_almost_alike() -> None:
    policy = fresh(4)
    x = torch.randn(50, 2)
    with torch.no_grad():
        exact = policy.act(x, deterministic=True)
        policy.precision = torch.bfloat16
        rough = policy.act(x, deterministic=True)
    assert rough[0].dtype == torch.float32
    torch.testing.assert_close(rough[0], exact[0], atol=1e-3, rtol=0.05)
    torch.testing.assert_close(rough[2], exact[2], atol=1e-2, rtol=0.05)


def test_the_normaliser_knows_all_it_saw() -> None:
    policy = fresh()
    parts = [torch.randn(n, 2, generator=torch.Generator().manual_seed(n)) * n for n in (5, 100, 17)]
    for part in parts:
        policy.normaliser.update(part)
    seen = torch.cat(parts)
    torch.testing.assert_close(policy.normaliser.mean, seen.mean(dim=0))
    torch.testing.assert_close(policy.normaliser.variance, seen.var(dim=0, correction=0))


def test_a_policy_is_written_read_and_widened(tmp_path: Path) -> None:
    policy = fresh(5)
    policy.normaliser.update(3 + 2 * torch.randn(100, 2))
    policy.save(tmp_path / "p.safetensors")
    read = Policy.load(tmp_path / "p.safetensors")
    wide = policy.widened(3)
    x, more = torch.randn(9, 2), torch.randn(9, 3)
    with torch.no_grad():
        expected = policy.act(x, deterministic=True)
        torch.testing.assert_close(read.act(x, deterministic=True), expected)
        torch.testing.assert_close(wide.act(torch.cat([x, more], dim=1), deterministic=True), expected)
        policy.fresh_value()
        torch.testing.assert_close(policy.act(x, deterministic=True)[0], expected[0])
        assert not torch.equal(policy.value(x), expected[2])
    with pytest.raises(AEMGError, match="no policy"):
        Policy.load(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataFileError):
        Policy.load(tmp_path / "bad.safetensors")
