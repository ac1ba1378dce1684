"""Refuse requests that a web page made: a browser sends them to this machine for any page.

A page of any site may open a WebSocket to a port of this machine, or send it a request. Browsers
name the page's site in the header `Origin`; workers, kubectl, kubelets and Prometheus send none.
A page that has its own name resolve to 127.0.0.1 (DNS rebinding) needs no `Origin` for a GET, but
sends its name as `Host`: a server that listens on the loopback alone answers to the names of the
loopback alone.
"""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from grctl.serving.loopback import is_loopback


def refuse_web_pages(listening_on: str) -> Middleware:
    """Return what answers 403 to web pages.

    Args:
        listening_on: The host that the server listens on. On a loopback address, requests must be
            addressed to one too.
    """
    local = is_loopback(listening_on)

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        why = _why_refused(request, local=local)
        if why is not None:
            raise web.HTTPForbidden(text=f"{why}\n")
        return await handler(request)

    return refuse


def _why_refused(request: web.Request, *, local: bool) -> str | None:
    origin = request.headers.get("Origin")
    if origin is not None:
        return f"The request comes from a web page ({origin!r}), and web pages may not ask here."
    host = _host(request.host)
    if local and not is_loopback(host):
        return f"The request is addressed to {host!r}, and this server is 127.0.0.1 or localhost."
    return None


def _host(value: str) -> str:
    """Return the host of a `Host` header, which may have a port behind it."""
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0]
