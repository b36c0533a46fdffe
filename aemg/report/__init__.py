"""Reports as self-contained pages: results with their evidence, and what the codes of a codebook stand for."""

from aemg.report.codebook import inspect_codebook
from aemg.report.result import render, write_html

__all__ = ["inspect_codebook", "render", "write_html"]
