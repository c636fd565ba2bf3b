"""What is known of a request afterwards: its trace, its costs, and who is told."""
