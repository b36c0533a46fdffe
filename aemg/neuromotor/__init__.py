"""Meta's three neuromotor decoders: networks, streams, event and text metrics, data and training.

An independent implementation of the decoders described in Kaifosh et al., Nature 645:702-711 (2025),
doi:10.1038/s41586-025-09255-w.
"""
