"""Who is tried, and in which order: strategies, conversations that stay where they are, who cannot do it."""
