"""The verbs of the API: what each does to the stored objects, and which users may use it."""
