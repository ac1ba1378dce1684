"""The fault lab: everything with which tests start real processes and break what is between them.

One API server (`api_server`), one set of processes (`processes`), one proxy before an API server
(`api_proxy`), one relay between workers and operators (`relay`), and one place for a test to act
from (`sandbox`, `lab`). Scenarios, torture, benchmarks and e2e use it. What happened is recorded
and checked by `tests/history`. Nothing in this room knows which test uses it.
"""
