"""The connections of workers: which are accepted, and which execution goes to which worker."""
