"""Who may use the gateway: passwords, sessions, API keys."""
