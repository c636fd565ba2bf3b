"""What outlives a restart: the configuration store, its migrations and the vault that seals secrets."""
