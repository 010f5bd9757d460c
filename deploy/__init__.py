"""How Tidemark is started, here and elsewhere."""
