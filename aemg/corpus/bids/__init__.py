"""Prepared sets as EMG-BIDS."""

from aemg.corpus.bids.export import BidsExport, export_bids

__all__ = ["BidsExport", "export_bids"]
