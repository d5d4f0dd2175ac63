"""The spectrum of anybody's embeddings, read from files of any size."""
