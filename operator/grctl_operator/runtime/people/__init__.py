"""What people see of the operator: core Events, logs, metrics."""
