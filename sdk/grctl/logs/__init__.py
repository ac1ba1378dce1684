"""Log records of the worker and the operator: loggers, formats, and where records go."""
