"""Configuration: defaults under file under overrides, and every mistake named at once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.config import STRICT, from_mapping, load_config, save_config, to_mapping
from aemg.errors import ConfigError
from aemg.model.config import SIZES, AEMGConfig
from aemg.tokenizer import TokenizerConfig
from aemg.topology import SpaceConfig


@dataclass(frozen=True)
class Optim:
    __pydantic_config__ = STRICT
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)


@dataclass(frozen=True)
class Run:
    __pydantic_config__ = STRICT
    sets: tuple[str, ...] = ("a", "b")
    steps: int = 10
    limit_hz: float | None = None
    optim: Optim = field(default_factory=Optim)


def written(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_hold() -> None:
    assert load_config(Run, None) == Run()
    assert load_config(TokenizerConfig, None) == TokenizerConfig()


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_config(Run, written(tmp_path, "# nothing yet\n")) == Run()


def test_the_file_wins_over_defaults_and_overrides_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "steps: 20\noptim:\n  lr: 0.01\n")
    assert load_config(Run, path) == Run(steps=20, optim=Optim(lr=0.01))
    run = load_config(Run, path, ["optim.lr=0.5", "sets=[x, y, z]"])
    assert run == Run(sets=("x", "y", "z"), steps=20, optim=Optim(lr=0.5))


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.0e-4", "0.0001", "1e-04"])
def test_numbers_in_scientific_notation_are_numbers(tmp_path: Path, text: str) -> None:
    """YAML 1.1 reads 1e-4 as a word."""
    assert load_config(Run, written(tmp_path, f"optim: {{lr: {text}}}")).optim.lr == 1e-4
    assert load_config(Run, None, [f"optim.lr={text}"]).optim.lr == 1e-4


def test_an_override_opens_a_group_that_the_file_lacks(tmp_path: Path) -> None:
    assert load_config(Run, written(tmp_path, "steps: 1"), ["optim.lr=2"]).optim == Optim(lr=2.0)


def test_an_override_value_may_hold_an_equals_sign_and_null() -> None:
    assert load_config(Run, None, ["sets=['a=b']", "limit_hz=null"]) == Run(sets=("a=b",))


def test_all_errors_are_named_at_once_with_their_place(tmp_path: Path) -> None:
    path = written(tmp_path, "stepz: 3\nsteps: many\noptim: {lr: fast, beta: 1}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(Run, path)
    message = str(caught.value)
    assert str(path) in message and "Run" in message
    for place in ("stepz: no such key", "steps: ", "optim.lr: ", "optim.beta: no such key"):
        assert place in message
    assert "'many'" in message and "'fast'" in message


@pytest.mark.parametrize("override", ["steps", "=3", ""])
def test_an_override_of_another_form_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match=r"key\.sub=value"):
        load_config(Run, None, [override])


def test_an_override_below_a_plain_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a group"):
        load_config(Run, written(tmp_path, "steps: 3"), ["steps.more=1"])


def test_broken_yaml_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(Run, written(tmp_path, "steps: [1,"))
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(Run, None, ["steps=[1,"])


def test_a_list_is_not_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mapping"):
        load_config(Run, written(tmp_path, "- steps"))


def test_a_missing_file_says_where_the_ready_ones_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="configs/"):
        load_config(Run, tmp_path / "none.yaml")


@pytest.mark.parametrize("config", [Run(limit_hz=1e-4), TokenizerConfig(gating="none"), AEMGConfig(), *SIZES.values()])
def test_a_saved_configuration_reads_back_equal(tmp_path: Path, config: object) -> None:
    path = tmp_path / "saved.yaml"
    save_config(config, path)
    assert load_config(type(config), path) == config
    assert from_mapping(type(config), json.loads(json.dumps(to_mapping(config)))) == config


@given(lr=st.floats(1e-12, 1e6), steps=st.integers(0, 10**9), sets=st.lists(st.text(max_size=8), max_size=4))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_round_trip_law(lr: float, steps: int, sets: list[str]) -> None:
    run = Run(sets=tuple(sets), steps=steps, optim=Optim(lr=lr))
    assert from_mapping(Run, yaml.safe_load(yaml.safe_dump(to_mapping(run)))) == run


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("hop_ms=0", "hop_ms"),
        ("hop_ms=60", "hop_ms"),
        ("off_factor=9", "off_factor"),
        ("max_token_ms=60", "max_token_ms"),
        ("rest_percentile=0", "rest_percentile"),
        ("sentence_tokens=0", "sentence_tokens"),
        ("gating=both", "gating"),
        ("window=3", "no such key"),
    ],
)
def test_a_tokenizer_refuses_what_it_cannot_do(override: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        load_config(TokenizerConfig, None, [override])


def test_nested_groups_keep_their_other_defaults() -> None:
    config = load_config(AEMGConfig, None, ["space.rate_hz=2000", "tokenizer.gating=none", "network.width=64"])
    assert config.space == SpaceConfig(rate_hz=2000.0)
    assert config.tokenizer == TokenizerConfig(gating="none")
    assert (config.network.width, config.network.codes) == (64, 8192)
    assert config.token_samples == 500


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"output: \xe1\xe1")
    with pytest.raises(ConfigError, match="is not valid YAML"):
        load_config(SpaceConfig, tmp_path / "config.yaml")
