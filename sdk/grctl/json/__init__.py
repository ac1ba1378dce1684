"""JSON of users: how values become JSON, are carried, compared and read again."""
