"""What a request does to the stored objects: one file for each verb, and who may use it."""
