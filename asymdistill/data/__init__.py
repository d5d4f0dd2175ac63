"""Images of every source, and what an encoder sees of them."""
