"""What embeddings tell: pure functions of tensors."""
