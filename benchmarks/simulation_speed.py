"""How fast the simulation runs on one core: motor units, action potentials, EMG, devices and the hand.

    python benchmarks/simulation_speed.py --quick                 # a first look, half a minute
    python benchmarks/simulation_speed.py --out results/simulation-speed

Every row is the median of the processor's time over several runs, in seconds simulated per second of one core. Rendering is
told beside the plain way, one numpy addition for each discharge, run in turn with it; since both feel the same disturbances,
their ratio says more than the numbers where the machine is not idle.

A row is what one of the functions of ROWS yields; a part that needs MuJoCo is left out where that is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import torch

from aemg.simulation.anatomy import MUSCLES, Person, sample_person
from aemg.simulation.artefacts import ARTEFACTS
from aemg.simulation.devices import DEVICES, acquire
from aemg.simulation.motor_units import MotorUnits, Pool, pool_of
from aemg.simulation.muap import Electrodes, bank, cached_bank, isolated
from aemg.simulation.online import OnlineEMG
from aemg.simulation.pool import CONTROL_RATE_HZ, Spikes, discharge
from aemg.simulation.render import RENDER_RATE_HZ, render

STEP_S = 0.008


@dataclass(frozen=True)
class Row:
    """One measurement: `value` in `unit`, what it was beside (`baseline`, `ratio`), and what it should reach (`goal`)."""

    part: str
    name: str
    value: float
    unit: str
    goal: float | None = None
    baseline: float | None = None
    ratio: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    torch.set_num_threads(1)
    rows = []
    for part in args.what or ROWS:
        for row in ROWS[part](args.repeats, args.seconds):
            print(line(row), flush=True)
            rows.append(row)
    report = {
        "command": " ".join(["python", "benchmarks/simulation_speed.py", *(sys.argv[1:] if argv is None else argv)]),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, 1 thread",
        "repeats": args.repeats,
        "rows": [asdict(row) for row in rows],
    }
    if args.out:
        args.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
        args.out.with_suffix(".md").write_text(markdown(report, rows))
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python benchmarks/simulation_speed.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--what", nargs="+", choices=list(ROWS), metavar="PART", help=f"of {', '.join(ROWS)} (default all)")
    top.add_argument("--repeats", type=int, default=9, help="of every measurement (default %(default)s)")
    top.add_argument("--seconds", type=float, default=30.0, help="of EMG to render (default %(default)s)")
    quick = {"repeats": 3, "seconds": 10.0}
    top.add_argument(
        "--quick",
        action=type("Quick", (argparse.Action,), {"__call__": lambda self, parser, space, *_: vars(space).update(quick)}),
        nargs=0,
        help="three repeats of 10 s",
    )
    top.add_argument("--out", type=Path, help="writes OUT.json and OUT.md")
    return top


def units(repeats: int, seconds: float) -> Iterator[Row]:
    """220 motor units at 8 ms steps, excitation 0.1; the compiled kernel, and the form of torch operations."""
    pool = pool_of(11, 20)
    for environments, compiled in ((64, True), (256, True), (1024, True), (256, False)):
        made = MotorUnits(pool, environments, seed=0, compiled=compiled)
        drive = np.full((environments, 11), 0.1, dtype=np.float32)
        steps = max(round(50_000 / environments), 20) if compiled else 20

        def run(made: MotorUnits = made, drive: np.ndarray = drive, steps: int = steps) -> None:
            for _ in range(steps):
                made.step(drive, STEP_S)

        name = f"220 units, {environments} environments" + ("" if compiled else ", torch operations")
        speed = environments * steps * STEP_S / timed(run, repeats)
        yield Row("motor units", name, speed, "environment-s/s", 1000 if compiled else None)
    for excitation in (0.02, 0.1, 0.4):
        course = np.full((len(MUSCLES), round(seconds * CONTROL_RATE_HZ)), excitation)

        def play(course: np.ndarray = course) -> Spikes:
            return discharge(person().units, course, np.random.default_rng(0))

        facts = {"spikes_per_s": len(play().units) / seconds}
        name = f"{len(person().units.rank)} units of a person, a course at {excitation:g} excitation"
        yield Row("motor units", name, seconds / timed(play, repeats), "x real time", None, facts=facts)


def rendering(repeats: int, seconds: float) -> Iterator[Row]:
    """250 units at 11 Hz under 16 electrodes at 2 kHz, at once and step by step."""
    waves, spikes = ring_bank(RENDER_RATE_HZ)[:250], regular(250, 11.0, seconds)
    np.testing.assert_allclose(render(spikes, waves, seconds), plain_render(spikes, waves, seconds), atol=1e-9)
    forms = [lambda form=form: form(spikes, waves, seconds) for form in (render, plain_render)]
    pairs = [[spent(form) for form in forms] for _ in range(repeats)]
    ours, plain = (seconds / median(column) for column in zip(*pairs))
    ratio = median(b / a for a, b in pairs)
    yield Row("render", "16 channels, 2 kHz, 250 units at 11 Hz", ours, "x real time", 500, plain, ratio)
    pool = pool_of(31, 8)
    wires = OnlineEMG(isolated(pool, rate_hz=1000.0)[:, None], pool.muscle[:, None], 31, 256, 1000.0)
    yield online("31 isolated channels, 248 units, 1 kHz", pool, wires, repeats)
    band = OnlineEMG(ring_bank(1000.0), None, None, 256, 1000.0)
    yield online("16 channels, 280 units, 1 kHz", Pool.of(person().units), band, repeats)


def online(name: str, pool: Pool, emg: OnlineEMG, repeats: int) -> Row:
    made = MotorUnits(pool, emg.environments, seed=0)
    drive = np.full((emg.environments, int(pool.muscle.max()) + 1), 0.1, dtype=np.float32)
    firings = [made.step(drive, STEP_S) for _ in range(50)]
    simulated_s = emg.environments * len(firings) * STEP_S
    value = simulated_s / timed(lambda: [emg.push(each, STEP_S) for each in firings], repeats)
    facts = {"spikes_per_s": sum(map(len, firings)) / simulated_s}
    return Row("online EMG", f"{name}, {emg.environments} environments", value, "environment-s/s", facts=facts)


def chains(repeats: int, seconds: float) -> Iterator[Row]:
    """From potentials to a recording, with and without artefacts, and all the way from excitation."""
    worn, gains, waves = DEVICES["wristband16"], np.ones(16), ring_bank(RENDER_RATE_HZ)
    clean = render(regular(280, 11.0, seconds), waves, seconds)
    course = np.full((len(MUSCLES), round(seconds * CONTROL_RATE_HZ)), 0.1)

    def record() -> None:
        rng = np.random.default_rng(0)
        acquire(render(discharge(person().units, course, rng), waves, seconds), worn, gains, rng)

    def device(artefacts: Sequence[Any] = ()) -> None:
        acquire(clean, worn, gains, np.random.default_rng(0), artefacts=artefacts)

    everything = tuple(ARTEFACTS.values())
    for name, run, goal in (
        ("16 channels, 2 kHz: noise, mains, baseline, band, converter", device, 300),
        ("the same and every artefact", lambda: device(everything), 300),
        ("from excitation: 280 units, rendering and device", record, 300),
    ):
        yield Row("device chain", name, seconds / timed(run, repeats), "x real time", goal)


def banks(repeats: int, seconds: float) -> Iterator[Row]:
    """Action potentials of a person under a device."""
    for name in ("wristband16", "hdgrid"):
        worn = DEVICES[name]
        electrodes = worn.electrodes(worn.montage)
        label = f"280 units, {name}"
        yield Row("bank", label, timed(lambda e=electrodes: bank(person(), e), min(repeats, 3)), "s", 2)
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {"AEMG_CACHE": folder}):
            yield Row("bank", f"{label}, kept", timed(lambda e=electrodes: cached_bank(person(), e), repeats), "s")


def physics(repeats: int, seconds: float) -> Iterator[Row]:
    """Steps of 4 ms of the hand beside MyoHand as its package builds it, the fingertips and the controller included."""
    if importlib.util.find_spec("mujoco") is None or importlib.util.find_spec("myo_sim") is None:
        return
    from aemg.simulation.hand import Hands, hand_model
    from aemg.simulation.hand.controller import StaticOptimiser
    from aemg.simulation.hand.model import NEWTON_ITERATIONS, full_spec

    for wrist in ("free", "fixed"):
        hand = hand_model(wrist)
        whole = full_spec(wrist).compile()
        whole.opt.timestep, whole.opt.iterations, whole.opt.gravity[:] = hand.timestep_s, NEWTON_ITERATIONS, 0.0
        drive = 0.1 * np.random.default_rng(0).random((64, len(hand.muscles)))
        name, steps = f"{len(hand.joints)} joints, {len(hand.muscles)} muscles", 64 * 25 * 4
        hands, plain = Hands(hand, 64), Hands(replace(hand, model=whole), 64)

        def walk(hands: Any, drive: np.ndarray = drive) -> None:
            for _ in range(25):
                hands.step(drive, 4)

        runs = [partial(walk, each) for each in (hands, plain)]
        for run in runs:
            run()
        pairs = [[spent(run) for run in runs] for _ in range(repeats)]
        ours, theirs = (steps / median(column) for column in zip(*pairs))
        goal = 28_000 if wrist == "free" else None
        yield Row("physics", name, ours, "steps/s", goal, theirs, median(b / a for a, b in pairs), {"baseline": "MyoHand whole"})
        pair = Hands(hand, 64, threads=2)
        wall = median(elapsed(partial(walk, pair)) for _ in range(repeats))
        yield Row("physics", f"{name}, 2 threads, by the clock", steps / wall, "steps/s")
        optimiser, still = StaticOptimiser(hands), 0.5 * hand.upper
        target = still * (1 + 0.5 * np.sin(np.arange(25)))[:, None]
        hands.reset()

        def follow(hands: Any = hands, optimiser: Any = optimiser, target: np.ndarray = target) -> None:
            for q in target:
                hands.step(optimiser.excitations(np.tile(q, (64, 1))), 4)

        speed = steps * hand.timestep_s / timed(follow, repeats)
        yield Row("controller", f"{name}, every 16 ms, physics included", speed, "x real time", 120)


def loops(repeats: int, seconds: float) -> Iterator[Row]:
    """The whole closed loop while it learns: simulation steps by the clock, and where the time of a control step goes."""
    if importlib.util.find_spec("mujoco") is None or importlib.util.find_spec("myo_sim") is None:
        return
    from aemg.virtual_user.phase2 import settings_for

    for montage in ("isolated", "ring"):
        for threads in (1, 2):
            settings = replace(settings_for(1), threads=threads, ppo=replace(settings_for(1).ppo, warm_updates=0))
            speed, parts = learning(settings, montage, updates=4 * repeats)
            name = f"{montage}, {settings.environments} environments, {threads} thread{'s' * (threads - 1)}"
            yield Row("closed loop", f"{name}, by the clock", speed, "steps/s", 45_000 if threads == 2 else None)
            if threads == 1:
                for part, spent_us in parts.items():
                    yield Row("closed loop", f"{name}: {part}", spent_us, "us/action")


def learning(settings: Any, montage: str, updates: int) -> tuple[float, dict[str, float]]:
    """Simulation steps per second of learning, and microseconds of an environment's action by part (of one thread)."""
    from aemg.simulation.hand import hand_model
    from aemg.virtual_user.emg import EMGSettings, UserEMG
    from aemg.virtual_user.networks import fresh_network
    from aemg.virtual_user.phase2 import shards, user_of
    from aemg.virtual_user.ppo import learn

    emg = EMGSettings(montage=montage)  # type: ignore[arg-type]
    channels = UserEMG(hand_model(settings.wrist).muscles, 1, emg).channels
    parts = shards(fresh_network("tcn", channels, emg.rate_hz), emg, settings, seed=0)
    policy = user_of(2, None, parts[0], settings, 0)
    clock = {"physics": 0.0, "motor units": 0.0, "EMG": 0.0, "decoder": 0.0, "rest of the task": 0.0, "policy": 0.0}

    def watch(part: str, owner: Any, name: str) -> None:
        run = getattr(owner, name)

        def measured(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = run(*args, **options)
            clock[part] += time.perf_counter() - start
            return result

        setattr(owner, name, measured)

    for env in parts:
        watch("physics", env.hands, "step")
        watch("motor units", env.emg.units, "step")
        watch("EMG", env.emg.online, "push")
        watch("decoder", env.decoder, "push")
        watch("rest of the task", env, "step")
    watch("policy", policy, "act")
    marks: list[tuple[float, dict[str, float]]] = []
    per_update = settings.ppo.horizon * settings.environments
    learn(
        parts, policy, settings.ppo, steps=(updates + 2) * per_update,
        on_update=lambda row: marks.append((time.perf_counter(), dict(clock))),
    )  # fmt: skip
    (begin, before), (end, after) = marks[1], marks[-1]
    actions = updates * per_update
    found = {part: 1e6 * (after[part] - before[part]) / actions for part in clock}
    found["rest of the task"] -= sum(found[part] for part in ("physics", "motor units", "EMG", "decoder"))
    found["update and the rest"] = 1e6 * (end - begin) * settings.threads / actions - sum(found.values())
    return settings.task.substeps * actions / (end - begin), found


ROWS: dict[str, Callable[[int, float], Iterator[Row]]] = {
    "units": units,
    "render": rendering,
    "chain": chains,
    "bank": banks,
    "physics": physics,
    "loop": loops,
}


def plain_render(spikes: Spikes, waves: np.ndarray, duration_s: float) -> np.ndarray:
    """One addition of numpy for each discharge."""
    samples, length = round(duration_s * RENDER_RATE_HZ), waves.shape[2]
    total = np.zeros((samples + length, waves.shape[1]), dtype=np.float32)
    blocks = list(np.ascontiguousarray(waves.transpose(0, 2, 1)))
    first = np.floor(spikes.times_s * RENDER_RATE_HZ + 0.5).astype(int)
    for start, unit in zip(first.tolist(), spikes.units.tolist()):
        total[start : start + length] += blocks[unit]
    return total[:samples].T.copy()


@lru_cache(maxsize=1)
def person() -> Person:
    return sample_person(np.random.default_rng(0))


@lru_cache(maxsize=2)
def ring_bank(rate_hz: float) -> np.ndarray:
    return bank(person(), Electrodes(DEVICES["wristband16"].montage.angles_deg), rate_hz=rate_hz)


def regular(units: int, rate_hz: float, seconds: float) -> Spikes:
    """Discharges at random times, so many a second of each unit."""
    rng, n = np.random.default_rng(0), round(units * rate_hz * seconds)
    return Spikes(np.sort(rng.uniform(0, seconds - 0.001, n)), rng.integers(0, units, n))


def timed(run: Callable[[], Any], repeats: int) -> float:
    """Seconds of the processor, the median after a first run that may compile."""
    run()
    return median(spent(run) for _ in range(repeats))


def spent(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def elapsed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def line(row: Row) -> str:
    text = f"{row.part:12} {row.name:62} {row.value:10.3g} {row.unit}"
    if row.goal is not None:
        text += f"  (goal {row.goal:g})"
    if row.ratio is not None:
        text += f"; {row.facts.get('baseline', 'plain numpy')} {row.baseline:.0f}, {row.ratio:.2f} times that"
    return text


def markdown(report: dict[str, Any], rows: Sequence[Row]) -> str:
    text = [
        "# Speed of the simulation, per core",
        "",
        f"`{report['command']}` on {report['machine']}. Medians of {report['repeats']} runs of the processor's time.",
        "",
        "| part | what | value | unit | goal | plain | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        cells = [r.goal, r.baseline, r.ratio]
        goal, plain, ratio = ("" if value is None else f"{value:.4g}" for value in cells)
        text.append(f"| {r.part} | {r.name} | {r.value:.4g} | {r.unit} | {goal} | {plain} | {ratio} |")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    sys.exit(main())
