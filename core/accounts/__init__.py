"""Accounts: logins, token upkeep and quota readings."""
