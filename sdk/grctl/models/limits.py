"""Sizes that are checked before a write, in bytes of JSON.

etcd refuses an object over 1.5 MiB. The API server answers that with 500, as if the request could
be tried again. So a value that would not fit is refused before the write, with its name and size.
"""

MAX_STORE_BYTES = 256 * 1024
MAX_RESULT_BYTES = 256 * 1024
MAX_PAYLOAD_BYTES = 512 * 1024
MAX_RUN_BYTES = 1024 * 1024
MAX_TASK_RESULT_BYTES = 64 * 1024
"""The result of one recorded task."""
MAX_JOURNAL_BYTES = 192 * 1024
"""All that one handler records."""
MAX_JOURNAL_ENTRIES = 256
"""Each write of the run carries the whole journal."""
MAX_ANSWERS_BYTES = 16 * 1024
"""The answers to all queries of a run."""
MAX_PROMPT_BYTES = 4 * 1024
"""The prompt of a wait."""
MAX_TASKS_TEXT_BYTES = 1024
"""The list of a handler's tasks in the status of its event. A longer one is cut."""
MAX_MESSAGE_BYTES = 4 * 1024
"""A longer message is cut."""
MAX_STACK_TRACE_BYTES = 16 * 1024
"""A longer stack trace is cut."""

MAX_SHOWN_TEXT_CHARS = 2 * MAX_MESSAGE_BYTES
"""The API server refuses a longer message. Ours are shorter."""
MAX_SHOWN_TRACE_CHARS = 2 * MAX_STACK_TRACE_BYTES
MAX_SHOWN_NAMES = 1000
"""Longest list of names that is shown to people."""
