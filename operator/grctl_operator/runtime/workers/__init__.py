"""The workers: who may come in, what each holds, what is given to whom."""
