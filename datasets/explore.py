"""Draw a recording: all of it and a part, with stages, prompts and angles."""

from __future__ import annotations

import argparse

from aemg.report import draw_recording

EPILOG = "example: python datasets explore ~/neuromotor/wrist_user_000_dataset_000.hdf5 --start 60 --seconds 5"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a neuromotor .hdf5 file, or the .h5 file of a prepared set")
    parser.add_argument("--out", metavar="PNG|HTML", help="default: a page named like FILE, in the current folder")
    parser.add_argument("--start", type=float, metavar="S", help="seconds from the first sample (default: at the first prompt)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="N", help="length of the part (default %(default)g)")
    parser.add_argument("--recording", type=int, default=0, metavar="I", help="which one of a prepared set (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    written = draw_recording(args.file, args.out, start_s=args.start, seconds=args.seconds, recording=args.recording)
    print(f"wrote {written}")
    return 0
