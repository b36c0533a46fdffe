"""One module a set: its card, its reader, and where its files are published."""
