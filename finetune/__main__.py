"""Evaluate and fine-tune: leave-one-subject-out and few-shot on prepared sets; the neuromotor decoders.

Typed as `accelerate launch finetune loso --config configs/finetune/loso.yaml data.sets=[NAME] data.root=DIR ...`, or
`accelerate launch finetune decoder --config configs/finetune/gestures.yaml data.root=DIR ...`.
"""

import argparse
import logging
import sys

from accelerate import PartialState
from tqdm import tqdm

from aemg.config import load_config
from aemg.errors import AEMGError
from aemg.evaluation import EvaluationConfig, evaluate
from aemg.evaluation.baselines import BASELINES
from aemg.evaluation.benchmark import PROTOCOLS, BenchmarkConfig, benchmark
from aemg.evaluation.livability import LivabilityConfig, livability
from aemg.neuromotor.training import DecoderConfig, decode
from aemg.report import write_html
from aemg.report.benchmark_page import write_benchmark
from aemg.report.curve_page import write_curve_html
from aemg.report.decoder_page import write_decoder_html
from aemg.report.livability_page import summary_lines, write_livability_html
from aemg.training.processes import joined_processes

EPILOG = """
protocols:
  loso       train on all subjects but one, test on the one; zero-shot
  fewshot    the same, then adapt to 5, 20, 40, 80 % of the test subject's data
  livability as loso, but the test subject's whole recordings are decoded as a device would: false activations an hour,
             latency, rejection, calibration, drop after putting the band on again; see docs/livability.md
  benchmark  all protocols and all methods, ours and those of the literature; --list names them, docs/benchmark.md tells
             what each sees
  decoder    train, validate and test a decoder of gestures, handwriting or the wrist's angular velocity

overrides of loso, fewshot, livability and benchmark (any key of the configuration):
  data.sets=[uci-gestures,kanoga-myo]       each set is evaluated by itself
  data.root=DIR                             native files (prepared into data.cache), or prepared sets
  data.subjects.uci-gestures=[1,2,3,6]      some subjects only
  encoder=runs/movements/model              or [a,b,c]: each fold takes one that has not seen its subject; or none
  seeds=[0,1,2] jobs=2 output=DIR

examples:
  accelerate launch finetune loso --config configs/finetune/loso.yaml data.sets=[uci-gestures] data.root=DIR \\
      encoder=runs/movements/model output=runs/loso
  accelerate launch finetune fewshot --config configs/finetune/fewshot.yaml data.sets=[laval-3dc] data.root=DIR \\
      encoder=none output=runs/fewshot

  accelerate launch finetune livability --config configs/finetune/livability.yaml data.sets=[uci-gestures] data.root=DIR \\
      encoder=none activation.threshold=0.7 output=runs/livability

  accelerate launch finetune benchmark --config configs/finetune/benchmark.yaml data.root=DIR encoder=[a,b,c] \\
      output=runs/benchmark
  accelerate launch finetune benchmark --config configs/finetune/benchmark-quick.yaml data.root=DIR \\
      protocols=[loso-inductive,loso-calibrated-60s,fewshot-k1] baselines=[td-lda,coral] output=runs/quick

Finished folds are kept: a stopped evaluation goes on when the same command is typed again.

ready configurations of decoder, in configs/finetune/:
  gestures.yaml, handwriting.yaml, wrist.yaml                      the published recipes
  gestures-personal.yaml, handwriting-personal.yaml, wrist-...     fine-tune on single users' first minutes
  gestures-scaling.yaml, handwriting-scaling.yaml, wrist-...       the curve over the number of training users

overrides of decoder (any key of the configuration):
  data.root=DIR                     HDF5 files and {task}_corpus.csv; see: python datasets download --help
  data.split=mini                   the three users of the small subset; the default is the split of the CSV
  data.users=[0,1,2] data.train_users=20    some users only; so many training users, drawn by the seed
  init=CKPT                         start from a released .ckpt or a saved decoder
  optim.epochs=0                    do not train: validate and test init as it is
  model.backbone=aemg model.encoder=runs/pretrain/model     AEMG's encoder in place of the published network; or none
  model.network={lstm_hidden: 128}  settings of the network
  data.workers=4 optim.batch=32     loader processes; windows or prompts a batch and process
  precision=bf16 loss.fastemit=0.005 data.augmentation.rotation=2 optim.clip_norm=0.5
  output=DIR                        report.html, report.json, users.csv, epochs.csv, checkpoint and model

examples of decoder:
  accelerate launch finetune decoder --config configs/finetune/gestures.yaml data.root=DIR output=runs/gestures
  accelerate launch finetune decoder --config configs/finetune/wrist.yaml data.root=DIR init=wrist.ckpt optim.epochs=0
  accelerate launch --multi_gpu --num_processes 8 finetune decoder --config configs/finetune/handwriting.yaml \\
      data.root=DIR data.workers=4 output=runs/handwriting
  accelerate launch finetune decoder --config configs/finetune/gestures-personal.yaml data.root=DIR \\
      init=runs/gestures output=runs/gestures-personal
  accelerate launch finetune decoder --config configs/finetune/wrist-scaling.yaml data.root=DIR output=runs/wrist-scaling

A run that was stopped goes on from its last checkpoint when the same command is typed again.
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="finetune", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("protocol", choices=("loso", "fewshot", "livability", "benchmark", "decoder"))
    parser.add_argument("--config", help="a YAML file; the ready ones are in configs/finetune/")
    parser.add_argument("--list", action="store_true", help="name the protocols and methods of benchmark, and stop")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="changes to the configuration")
    arguments = parser.parse_intermixed_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.protocol == "decoder":
        return decoder(arguments.config, arguments.overrides)
    if arguments.list:
        list_benchmark()
        return 0
    state = joined_processes()
    bar = tqdm(disable=not state.is_main_process, miniters=1)

    def progress(what: str, done: int, total: int) -> None:
        if not state.is_main_process:
            return
        if bar.desc != f"{what}: ":
            bar.reset(total)
            bar.set_description(what)
        bar.update(min(done, total) - bar.n)

    shared = {
        "rank": state.process_index,
        "world": state.num_processes,
        "wait": state.wait_for_everyone,
        "progress": progress,
    }
    try:
        if arguments.protocol == "livability":
            config = load_config(LivabilityConfig, arguments.config, arguments.overrides)
            report = livability(config, **shared)
        elif arguments.protocol == "benchmark":
            config = load_config(BenchmarkConfig, arguments.config, arguments.overrides)
            report = benchmark(config, **shared)
        else:
            config = load_config(EvaluationConfig, arguments.config, arguments.overrides)
            report = evaluate(config, few_shot=arguments.protocol == "fewshot", **shared)
    except AEMGError as error:
        bar.close()
        print(f"error: {error}", file=sys.stderr)
        return 2
    bar.close()
    is_first = state.is_main_process
    state.destroy_process_group()
    if is_first:
        if arguments.protocol == "livability":
            write_livability_html(report, config.output / "report.html")
            print(*summary_lines(report), sep="\n")
        elif arguments.protocol == "benchmark":
            write_benchmark(report, config.output)
            benchmark_summary(report)
        else:
            write_html(report, config.output / "report.html")
            summary(report)
        print(f"report: {config.output / ('' if arguments.protocol == 'benchmark' else 'report.html')}")
    return 0


def decoder(path: str | None, overrides: list[str]) -> int:
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    try:
        config = load_config(DecoderConfig, path, overrides)
        found = decode(config)
    except AEMGError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not PartialState().is_main_process:
        return 0
    if found is None:
        print("stopped early; type the same command to go on")
        return 0
    page = config.output / ("report.html" if config.protocol == "train" else "curve.html")
    (write_decoder_html if config.protocol == "train" else write_curve_html)(found, page)
    for head, figures in decoder_figures(found):
        shown = [f"{name} {value:.4g}" for name, value in figures.items() if isinstance(value, int | float)]
        print(f"{head}: {', '.join(shown)}")
    print(f"report: {page}")
    return 0


def decoder_figures(found: dict) -> list[tuple[str, dict]]:
    """Rows of what is said at the end, of a report or a curve."""
    if "summary" in found:
        return [(f"{row['x']:g} {found['x']}", {found["metric"]: row["mean"], "runs": row["runs"]}) for row in found["summary"]]
    return [(name, found[name]) for name in ("validation", "metrics") if found[name]]


def summary(report: dict) -> None:
    print(report["certificate"]["statement"])
    for name, found in report["sets"].items():
        rows = {"aemg": found["zero_shot"], **found["controls"]}
        print(f"{name}: {len(found['subjects'])} subjects, {found['trials']} trials")
        for method, values in rows.items():
            figures = [values[m]["mean"] for m in ("window_accuracy", "trial_accuracy", "window_accuracy_isolated")]
            print(f"  {method:28s} window {figures[0]:.3f}  trial {figures[1]:.3f}  window alone {figures[2]:.3f}")


def list_benchmark() -> None:
    for name, protocol in PROTOCOLS.items():
        head = f"{name} (version {protocol.version}): {protocol.title}"
        print(head, protocol.description, f"sees: {protocol.target_data}", sep="\n    ")
    families = "loso-calibrated-Ns, loso-from-N, fewshot-P (per cent) and fewshot-kN"
    print(f"{families} take other numbers as well\n\nmethods of the literature:")
    for name, baseline in BASELINES.items():
        print(f"  {name:20s} {baseline.title}: {baseline.source}")


def benchmark_summary(results: dict) -> None:
    found: dict[tuple, list[float]] = {}
    for row in results["rows"]:
        how = " registered" if row["registered"] and row["family"] == "baseline" else ""
        key = row["protocol"], row["set"], f"{row['method']}{how}, {row.get('context', 'window')}"
        found.setdefault(key, []).append(row["metrics"]["window_accuracy"])
    for (protocol, dataset, method), values in found.items():
        print(f"{protocol:22s} {dataset:16s} {method:44s} {sum(values) / len(values):.3f}  ({len(values)} rows)")
    for note in results["skipped"]:
        who = f", person {note['person']}" if note["person"] else ""
        print(f"not run: {note['protocol']} on {note['set']}{who}: {note['reason']}")
    for warning in results["warnings"]:
        print(f"warning: {warning}")


if __name__ == "__main__":
    sys.exit(main())
