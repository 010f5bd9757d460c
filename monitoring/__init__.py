"""What is measured about Tidemark itself."""
