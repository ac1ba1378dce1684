"""Refuse requests that a browser makes for a web page.

A page of any site may open a WebSocket to a port of this machine, or send it a request. Two headers
give it away:

* `Origin`: a browser names the page's site in it. Workers, kubectl, kubelets and Prometheus send no
  such header.
* `Host`: a page whose own name resolves to 127.0.0.1 (DNS rebinding) needs no `Origin` for a GET,
  but its name is in `Host`. So a server that listens on the loopback only accepts the loopback's
  names only.
"""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from grctl.serving.loopback import is_loopback


def refuse_web_pages(listening_on: str) -> Middleware:
    """Return the middleware that answers 403 to web pages.

    Args:
        listening_on: The host that the server listens on. If it is a loopback address, `Host` must
            be one too.
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
    """Return the host of a `Host` header, without its port."""
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0]
