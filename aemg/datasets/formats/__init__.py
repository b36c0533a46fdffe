"""File formats that several sets share, read without trusting what they say."""
