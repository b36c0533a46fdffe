"""Steps per second of MyoSuite's own hand environment, to set beside the closed loop; prints JSON.

Run it with the python of an environment of its own, since its pins do not agree with AEMG's:

    python -m venv /tmp/myosuite && /tmp/myosuite/bin/pip install myosuite
    OMP_NUM_THREADS=1 /tmp/myosuite/bin/python benchmarks/myosuite_steps.py --control-s 0.008

The environment is `myoHandPoseFixed-v0` (23 joints, 39 muscles), random actions, reset where an episode ends. Its own control
interval is 20 ms: 10 steps of 2 ms with at most 100 solver iterations. With --control-s and --step-s its physics is set
to another, so that both sides answer the same number of control steps per second simulated.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from statistics import median

warnings.simplefilter("ignore")

import mujoco  # noqa: E402
import myosuite  # noqa: E402
from myosuite.utils import gym  # noqa: E402


def main() -> None:
    args = parser().parse_args()
    env = gym.make(args.env)
    inner = env.unwrapped
    model = inner.mj_model
    model.opt.timestep, model.opt.iterations = args.step_s, args.iterations
    inner.frame_skip = round(args.control_s / args.step_s)
    if abs(inner.frame_skip * args.step_s - args.control_s) > 1e-9:
        raise SystemExit(f"error: steps of {args.step_s} s do not divide a control interval of {args.control_s} s")
    env.reset(seed=0)
    env.action_space.seed(0)
    began = inner.mj_data.time
    env.step(env.action_space.sample())
    interval = inner.mj_data.time - began
    cpu, wall = zip(*(run(env, args.steps) for _ in range(args.repeats)))
    speed = args.steps / median(cpu)
    report = {
        "env": args.env,
        "myosuite": getattr(myosuite, "__version__", "?"),
        "mujoco": mujoco.__version__,
        "control_s": interval,
        "substeps": inner.frame_skip,
        "joints": model.nv,
        "muscles": model.nu,
        "env_steps_per_cpu_s": speed,
        "env_steps_per_s": args.steps / median(wall),
        "physics_steps_per_cpu_s": speed * inner.frame_skip,
        "repeats": args.repeats,
    }
    print(json.dumps(report))


def run(env: gym.Env, steps: int) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(steps):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
    return time.process_time() - cpu, time.perf_counter() - wall


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--env", default="myoHandPoseFixed-v0", help="(default %(default)s)")
    top.add_argument("--control-s", type=float, default=0.02, help="control interval (default %(default)s)")
    top.add_argument("--step-s", type=float, default=0.002, help="step of the physics (default %(default)s)")
    top.add_argument("--iterations", type=int, default=100, help="of the solver (default %(default)s)")
    top.add_argument("--steps", type=int, default=200, help="of the environment in a run (default %(default)s)")
    top.add_argument("--repeats", type=int, default=5, help="(default %(default)s)")
    return top


if __name__ == "__main__":
    main()
