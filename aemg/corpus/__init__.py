"""Corpus: prepared recordings in one HDF5 file a set, read by window, checked by sha256.

>>> prepare(reader, "corpus")                           # doctest: +SKIP
>>> corpus = Corpus("corpus").select(datasets={"kanoga-myo"})  # doctest: +SKIP
>>> corpus.window(0, start_sample=200, n_samples=400)   # (C, 400) float32  # doctest: +SKIP
>>> for batch in WindowStream(corpus, window_s=0.2):     # (B, C, T) float32, shuffled  # doctest: +SKIP
...     step(batch.signal)
"""

from aemg.corpus.corpus import Corpus
from aemg.corpus.layout import RecordingEntry, SkippedSource
from aemg.corpus.people import share_of_people
from aemg.corpus.prepare import PrepareResult, prepare
from aemg.corpus.store import Problem, verify
from aemg.corpus.streaming.batches import WindowBatch
from aemg.corpus.streaming.stream import WindowStream
from aemg.corpus.writer import CorpusWriter

__all__ = [
    "Corpus", "CorpusWriter", "PrepareResult", "Problem", "RecordingEntry", "SkippedSource", "WindowBatch", "WindowStream",
    "prepare", "share_of_people", "verify",
]
