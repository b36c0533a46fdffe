"""Self-contained pages: results with their evidence, trained decoders, recordings, and what a codebook's codes stand for."""

from aemg.report.codebook import inspect_codebook
from aemg.report.explore import draw_recording
from aemg.report.result import render, write_html

__all__ = ["draw_recording", "inspect_codebook", "render", "write_html"]
