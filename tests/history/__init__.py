"""The record of a test, and the checks of it: one ledger for scenarios, torture and e2e."""
