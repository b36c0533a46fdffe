"""Meta's three neuromotor decoders: networks, streams, event and text metrics, data and training.

An independent implementation of the decoders described in Kaifosh et al., Nature 645:702-711 (2025),
doi:10.1038/s41586-025-09255-w.

>>> from aemg.neuromotor import DiscreteGestures, decode_events
>>> decoder = DiscreteGestures.from_checkpoint("model_checkpoint.ckpt")  # doctest: +SKIP
>>> decoder(emg).shape                                                  # (batch, 16, samples)  # doctest: +SKIP
torch.Size([1, 9, 1598])
"""

from aemg.neuromotor.cler import cler, event_counts
from aemg.neuromotor.ctc import ctc_loss, greedy_ctc
from aemg.neuromotor.decoder import Decoder, load_decoder
from aemg.neuromotor.error_rate import character_error_rate
from aemg.neuromotor.events import GESTURES, decode_events, pair_releases
from aemg.neuromotor.gestures import DiscreteGestures
from aemg.neuromotor.handwriting import Handwriting
from aemg.neuromotor.mpf import MPF, MPFStream
from aemg.neuromotor.text import CHARACTERS, labels_to_text, text_to_labels
from aemg.neuromotor.wrist import Wrist

__all__ = [
    "CHARACTERS",
    "GESTURES",
    "MPF",
    "Decoder",
    "DiscreteGestures",
    "Handwriting",
    "MPFStream",
    "Wrist",
    "character_error_rate",
    "cler",
    "ctc_loss",
    "decode_events",
    "event_counts",
    "greedy_ctc",
    "labels_to_text",
    "load_decoder",
    "pair_releases",
    "text_to_labels",
]
