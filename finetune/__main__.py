"""Evaluate: leave-one-subject-out and few-shot, with controls and a split certificate.

Typed as `accelerate launch finetune loso --config configs/finetune/loso.yaml data.sets=[NAME] data.root=DIR ...`.
"""

import argparse
import logging
import sys

from accelerate import PartialState
from tqdm import tqdm

from aemg.config import load_config
from aemg.errors import AEMGError
from aemg.evaluation import EvaluationConfig, evaluate
from aemg.report import write_html

EPILOG = """
protocols:
  loso       train on all subjects but one, test on the one; zero-shot
  fewshot    the same, then adapt to 5, 20, 40, 80 % of the test subject's data

overrides (any key of the configuration):
  data.sets=[uci-gestures,kanoga-myo]       each set is evaluated by itself
  data.root=DIR                             native files (prepared into data.cache), or prepared sets
  data.subjects.uci-gestures=[1,2,3,6]      some subjects only
  encoder=runs/pretrain/model               or [a,b,c]: each fold takes one that has not seen its subject; or none
  seeds=[0,1,2] jobs=2 output=DIR

examples:
  accelerate launch finetune loso --config configs/finetune/loso.yaml data.sets=[uci-gestures] data.root=DIR \\
      encoder=runs/pretrain/model output=runs/loso
  accelerate launch finetune fewshot --config configs/finetune/fewshot.yaml data.sets=[laval-3dc] data.root=DIR \\
      encoder=none output=runs/fewshot

Finished folds are kept: a stopped evaluation goes on when the same command is typed again.
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="finetune", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("protocol", choices=("loso", "fewshot"))
    parser.add_argument("--config", help="a YAML file; the ready ones are in configs/finetune/")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="changes to the configuration")
    arguments = parser.parse_intermixed_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    state = PartialState()
    bar = tqdm(disable=not state.is_main_process, miniters=1)

    def progress(what: str, done: int, total: int) -> None:
        if bar.desc != f"{what}: ":
            bar.reset(total)
            bar.set_description(what)
        bar.update(min(done, total) - bar.n)

    try:
        config = load_config(EvaluationConfig, arguments.config, arguments.overrides)
        report = evaluate(
            config,
            few_shot=arguments.protocol == "fewshot",
            rank=state.process_index,
            world=state.num_processes,
            wait=state.wait_for_everyone,
            progress=progress,
        )
    except AEMGError as error:
        bar.close()
        print(f"error: {error}", file=sys.stderr)
        return 2
    bar.close()
    if state.is_main_process:
        write_html(report, config.output / "report.html")
        summary(report)
        print(f"report: {config.output / 'report.html'}")
    return 0


def summary(report: dict) -> None:
    print(report["certificate"]["statement"])
    for name, found in report["sets"].items():
        rows = {"aemg": found["zero_shot"], **found["controls"]}
        print(f"{name}: {len(found['subjects'])} subjects, {found['trials']} trials")
        for method, values in rows.items():
            figures = [values[m]["mean"] for m in ("window_accuracy", "trial_accuracy", "window_accuracy_isolated")]
            print(f"  {method:28s} window {figures[0]:.3f}  trial {figures[1]:.3f}  window alone {figures[2]:.3f}")


if __name__ == "__main__":
    sys.exit(main())
