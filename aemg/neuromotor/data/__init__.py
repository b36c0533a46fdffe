"""Items for training and evaluating the decoders: corpus tables, windows, prompts, batches, augmentation."""
