"""The commands as they are typed: both stages, both protocols, their help, and what a mistake looks like."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aemg.model import AEMG

REPOSITORY = Path(__file__).parents[1]
CPU = REPOSITORY / "configs" / "accelerate" / "cpu.yaml"
NETWORK = (
    "network={width: 32, layers: 1, heads: 2, head_width: 16, mlp_width: 64, codes: 32, "
    "code_width: 8, decoder_layers: 1}"
)
SHORT = ("optim.epochs=1", "optim.batch=12", "data.sentence_tokens=8", "data.sets=[sim-myo]")
COMMANDS = ("tokenizer", "pretrain", "finetune")
Main = Callable[[list[str]], int]


def typed(*words: object, where: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("ACCELERATE_USE_CPU", None)  # the configuration file has to say it
    return subprocess.run(
        [str(word) for word in words], cwd=where, env=environment, capture_output=True, text=True, timeout=240
    )


def launched(*words: object, where: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    accelerate = Path(sys.executable).with_name("accelerate")
    return typed(accelerate, "launch", "--config_file", CPU, "--num_cpu_threads_per_process", 1, *words, where=where)


def main_of(command: str) -> Main:
    main: Main = runpy.run_path(str(REPOSITORY / command), run_name="command")["main"]
    return main


@pytest.fixture(scope="module")
def folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of both stages, stage 1 typed in the repository and stage 2 in another folder."""
    folder = tmp_path_factory.mktemp("typed")
    words = ["--config", "configs/tokenizer/tiny.yaml", f"data.corpus={corpus}", f"output={folder / 'tokenizer'}"]
    done = launched("tokenizer", *words, *SHORT, NETWORK)
    assert done.returncode == 0, done.stderr
    assert "step " in done.stdout and str(folder / "tokenizer" / "model") in done.stdout
    words = ["--config", REPOSITORY / "configs/pretrain/tiny.yaml", f"data.corpus={corpus}", "output=pretrain"]
    done = launched(REPOSITORY / "pretrain", *words, "tokenizer=tokenizer", *SHORT, where=folder)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    return folder


def test_both_stages(folder: Path) -> None:
    assert AEMG.from_pretrained(folder / "tokenizer" / "model").stage == "codebook"
    model = AEMG.from_pretrained(folder / "pretrain" / "model")
    assert model.stage == "masked" and model.config.network.width == 32
    assert set(model.seen.people) == {"sim-myo"}


def test_leave_one_subject_out(folder: Path, corpus: Path) -> None:
    done = launched(
        "finetune", "loso", "--config", "configs/finetune/loso.yaml", "data.sets=[sim-myo]", f"data.root={corpus}",
        f"encoder={folder / 'pretrain' / 'model'}", f"output={folder / 'loso'}", "finetune.epochs=1", "max_folds=1",
        "jobs=1", "controls=[random-init, td-lda-z]",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "loso" / "report.json").read_text())
    assert report["certificate"]["statement"] in done.stdout
    assert not report["certificate"]["loso"], "this encoder has seen everyone"
    assert "td-lda-z" in done.stdout and (folder / "loso" / "report.html").exists()


def test_two_processes_share_the_folds(corpus: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1", "--nproc_per_node", "2"]
    done = typed(
        *torchrun, "--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0", "finetune", "loso", "--config",
        "configs/finetune/loso.yaml", "data.sets=[sim-myo]", f"data.root={corpus}", f"output={tmp_path / 'two'}",
        "finetune.epochs=1", "max_folds=2", "jobs=1", "controls=[td-lda-z]",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("report: ") == 1, "only the first process reports"
    report = json.loads((tmp_path / "two" / "report.json").read_text())
    assert len(report["sets"]["sim-myo"]["subjects"]) == 2


def test_few_shot_from_another_folder(folder: Path, corpus: Path) -> None:
    done = typed(
        sys.executable, REPOSITORY / "finetune", "fewshot", "--config", REPOSITORY / "configs/finetune/fewshot.yaml",
        "data.sets=[sim-myo]", f"data.root={corpus}", "encoder=pretrain/model", "output=fewshot", "finetune.epochs=1",
        "max_folds=1", "jobs=1", "controls=[]", "fewshot.fractions=[0.2, 0.6]",
        "fewshot.test_share=0.34", where=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "fewshot" / "report.json").read_text())
    assert list(report["sets"]["sim-myo"]["few_shot"]["aemg"]) == ["0", "0.2", "0.6"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main_of(command)(["--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert said.startswith(f"usage: {command} ") and "examples:" in said and "accelerate launch" in said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("nonsense.key=1", "nonsense"),
        ("data.corpuss=x", "corpuss"),
        ("no-equals-sign", "key.sub=value"),
        ("seed=[", "YAML"),
    ],
)
def test_a_bad_override_is_an_error_line(
    command: str, override: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["loso", override] if command == "finetune" else [override]
    assert main_of(command)(words) == 2
    said = capsys.readouterr()
    assert "error: " in said.err and named in said.err and "Traceback" not in said.err + said.out


def test_a_bad_override_as_typed() -> None:
    done = typed(sys.executable, "tokenizer", "optim.learning_rate=3")
    assert done.returncode == 2
    assert any(line.startswith("error: ") for line in done.stderr.splitlines())
    assert "learning_rate" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_corpus_or_configuration_is_an_error_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol = ["loso"] if command == "finetune" else []
    output = f"output={tmp_path / 'run'}"
    for words in ([output], [output, "--config", str(tmp_path / "none.yaml")]):
        assert main_of(command)([*protocol, *words]) == 2
        assert "error: " in capsys.readouterr().err
