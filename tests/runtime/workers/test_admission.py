import asyncio

import pytest

from grctl_operator.runtime.workers.admission import Admission, NotHereError


async def test_a_worker_comes_in_where_the_operator_leads() -> None:
    admission = Admission()
    admission.lead()
    await admission.wait()


async def test_a_worker_is_sent_to_who_leads() -> None:
    admission = Admission()
    admission.follow("http://10.0.0.1:8700")
    with pytest.raises(NotHereError) as raised:
        await admission.wait()
    assert raised.value.url == "http://10.0.0.1:8700"


async def test_a_worker_that_waits_comes_in_when_the_operator_leads() -> None:
    admission = Admission()
    waiting = asyncio.create_task(admission.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    admission.lead()
    await waiting


async def test_a_worker_that_waits_is_sent_to_who_takes_over() -> None:
    admission = Admission()
    admission.follow("http://10.0.0.1:8700")
    admission.follow(None)
    waiting = asyncio.create_task(admission.wait())
    await asyncio.sleep(0)
    admission.follow("http://10.0.0.2:8700")
    with pytest.raises(NotHereError) as raised:
        await waiting
    assert raised.value.url == "http://10.0.0.2:8700"


async def test_a_worker_that_waited_in_vain_is_told_that_nobody_leads() -> None:
    with pytest.raises(NotHereError, match="No operator leads at present") as raised:
        await Admission(parked=0.0).wait()
    assert raised.value.url is None
