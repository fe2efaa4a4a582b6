"""What has been counted, and how far: rules in `ledger`, SQLite in `store`."""
