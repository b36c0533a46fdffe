"""A corpus as a stream of shuffled windows: their order, how they are cut and read ahead, and the stream."""
