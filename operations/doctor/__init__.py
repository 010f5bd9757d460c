"""What ``tidemark doctor`` looks at; nothing here writes."""
