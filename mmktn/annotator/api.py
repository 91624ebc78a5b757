"""The HTTP server: JSON in and out, pictures, the page's own files, and a check of who may ask.

Requests must name a host that the server is known by (a page of another site that points a name at
this machine is refused), changes must come from the page itself (Origin) as JSON, and where the
server can be reached from other machines each request needs the token of the address that was
printed.
"""

from __future__ import annotations

import hmac
import ipaddress
import math
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmktn.annotator.coco import write_export
from mmktn.annotator.project import Project
from mmktn.annotator.store import LeaseError, Worker
from mmktn.formats.json_files import parse_json
from mmktn.utils.user_error import UserError, one_line

COOKIE = "mmktn_annotate"
MAX_BODY = 2_000_000
_WEB = Path(__file__).parent / "web"
_KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
# Read once: no name that a request brings is ever made into a path.
_FILES = {
    path.name: (path.read_bytes(), f"{_KINDS[path.suffix]}; charset=utf-8")
    for path in sorted(_WEB.iterdir())
    if path.suffix in _KINDS
}
_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_MAX_NAME = 60
Handler = Callable[[Request], Awaitable[Response]]
Fields = dict[str, Any]


@dataclass(frozen=True)
class Access:
    """Rules of who may ask.

    Attributes:
        hosts: Names of the server as a browser writes them, with or without port.
        token: Every request must bring it; None: only this machine can reach the server.
        any_address: Also take any numeric address as name (a server on all interfaces).
    """

    hosts: frozenset[str] = field(default_factory=frozenset)
    token: str | None = None
    any_address: bool = False

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this server."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            # A browser writes names in lower case, whatever the machine calls itself.
            if name in map(str.lower, self.hosts):
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_address


def build_app(project: Project, out: Path, access: Access) -> ASGIApp:
    """Return the server's application.

    Args:
        project: What it serves.
        out: Where exports go.
        access: Who may ask.

    Returns:
        An ASGI application.
    """
    api = _Api(project, out)
    routes = [
        Route("/", _page),
        Route("/web/{name}", _file),
        *(Route(path, _guarded(call), methods=[method]) for method, path, call in api.routes()),
    ]
    return _Door(Starlette(routes=routes), access)


class _Door:
    """Refuses what comes from elsewhere, before anything looks at it."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        answer = self._refusal(request) or self._login(request)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.encode(), v.encode()) for k, v in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await (answer or self._app)(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if not self._access.knows_host(host):
            return _error("this server is not known by that name", 403)
        if request.method not in ("GET", "HEAD"):
            origin = request.headers.get("origin")
            if origin is not None and origin.partition("://")[2] != host:
                return _error("changes must come from the page itself", 403)
            kind = request.headers.get("content-type", "").partition(";")[0]
            if kind != "application/json":
                return _error("changes are sent as application/json", 415)
        site = request.headers.get("sec-fetch-site", "same-origin")
        if site == "cross-site" and request.url.path != "/":
            return _error("other sites may not ask", 403)
        return None

    def _login(self, request: Request) -> Response | None:
        """Return None for a request with the token, a cookie for one with the printed address."""
        token = self._access.token
        if token is None:
            return None
        given = request.query_params.get("token")
        if request.url.path == "/" and given is not None and _equal(given, token):
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", max_age=30 * 86400)
            return answer
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if _equal(request.cookies.get(COOKIE, ""), token) or _equal(bearer, token):
            return None
        return _error("open the address with the token that the server printed", 401)


class _Api:
    """One method per request; the project does the work."""

    def __init__(self, project: Project, out: Path) -> None:
        self._project, self._out = project, out
        # The addresses of pictures hold it: what a browser keeps of one run is not shown in
        # another, whose first photo may be another one.
        self._run = secrets.token_hex(8)

    def routes(self) -> Iterable[tuple[str, str, Callable[[Request, Fields], Response]]]:
        """Yield the method, path and handler of every request."""
        return [
            ("GET", "/api/project", self.description),
            ("GET", "/api/photos", self.overview),
            ("GET", "/api/photos/{photo:int}", self.photo),
            ("GET", "/api/photos/{photo:int}/thumbnail", self.thumbnail),
            ("GET", "/api/photos/{photo:int}/tiles/{level:int}/{column:int}/{row:int}", self.tile),
            ("POST", "/api/photos/{photo:int}/people", self.add_person),
            ("POST", "/api/photos/{photo:int}/proposals", self.propose_people),
            ("POST", "/api/photos/{photo:int}/boxes", self.finish_boxes),
            ("POST", "/api/next", self.next_task),
            ("POST", "/api/people/{person:int}/open", self.open_person),
            ("POST", "/api/people/{person:int}/renew", self.renew),
            ("POST", "/api/people/{person:int}/close", self.close_person),
            ("POST", "/api/people/{person:int}/box", self.box),
            ("POST", "/api/people/{person:int}/parts", self.parts),
            ("POST", "/api/people/{person:int}/proposal", self.propose_parts),
            ("POST", "/api/people/{person:int}/points", self.points),
            ("POST", "/api/people/{person:int}/place", self.place),
            ("POST", "/api/people/{person:int}/skip", self.skip),
            ("POST", "/api/people/{person:int}/keypoint", self.keypoint),
            ("POST", "/api/people/{person:int}/stage", self.stage),
            ("POST", "/api/people/{person:int}/undo", self.undo),
            ("POST", "/api/people/{person:int}/remove", self.remove),
            ("GET", "/api/people/{person:int}/guard/{point:int}", self.guard),
            ("GET", "/api/body", self.mesh),
            ("GET", "/api/views/{part:int}/{view:int}", self.view),
            ("GET", "/api/pick/{part:int}/{view:int}", self.pick),
            ("GET", "/api/located", self.located),
            ("GET", "/api/quality", self.quality),
            ("GET", "/api/quality/picture", self.quality_picture),
            ("GET", "/api/disagreement", self.disagreement),
            ("GET", "/api/disagreement/picture", self.disagreement_picture),
            ("POST", "/api/people/{person:int}/decide", self.decide),
            ("POST", "/api/export", self.export),
        ]

    def description(self, request: Request, fields: Fields) -> Response:
        own = {"out": self._out.name, "run": self._run}
        return JSONResponse(self._project.description() | own)

    def overview(self, request: Request, fields: Fields) -> Response:
        return JSONResponse(self._project.overview())

    def photo(self, request: Request, fields: Fields) -> Response:
        name = request.query_params.get("annotator")
        who = None if name is None else Worker(_name(name), "")
        return JSONResponse(self._project.photo(request.path_params["photo"], who))

    def thumbnail(self, request: Request, fields: Fields) -> Response:
        record = self._project.store.photo(request.path_params["photo"])
        return self._picture(request, self._project.photos.thumbnail(record["name"]), "image/jpeg")

    def tile(self, request: Request, fields: Fields) -> Response:
        where = request.path_params
        record = self._project.store.photo(where["photo"])
        found = self._project.photos.tile(
            record["name"], where["level"], where["column"], where["row"]
        )
        return self._picture(request, found, "image/jpeg")

    def add_person(self, request: Request, fields: Fields) -> Response:
        photo, who = request.path_params["photo"], _worker(fields)
        seconds = _seconds(fields)
        box, ticket = fields.get("box"), fields.get("ticket")
        person = self._project.add_person(who, photo, box, ticket, seconds=seconds)
        return JSONResponse(self._project.person(person))

    def propose_people(self, request: Request, fields: Fields) -> Response:
        made = self._project.propose_people(request.path_params["photo"])
        return JSONResponse({"people": made})

    def finish_boxes(self, request: Request, fields: Fields) -> Response:
        photo = request.path_params["photo"]
        self._project.finish_boxes(_worker(fields), photo, fields.get("finished"))
        return JSONResponse({})

    def next_task(self, request: Request, fields: Fields) -> Response:
        return JSONResponse({"task": self._project.next_task(_worker(fields))})

    def open_person(self, request: Request, fields: Fields) -> Response:
        person, layer = request.path_params["person"], fields.get("layer")
        return JSONResponse(self._project.open_person(_worker(fields), person, layer))

    def renew(self, request: Request, fields: Fields) -> Response:
        who, person = _worker(fields), request.path_params["person"]
        self._project.store.renew(who, person, _layer(fields))
        return JSONResponse({})

    def close_person(self, request: Request, fields: Fields) -> Response:
        who, person = _worker(fields), request.path_params["person"]
        self._project.store.release(who, person, _layer(fields))
        return JSONResponse({})

    def box(self, request: Request, fields: Fields) -> Response:
        who, person = _worker(fields), request.path_params["person"]
        self._project.set_box(who, person, fields.get("box"), seconds=_seconds(fields))
        return JSONResponse(self._project.person(person))

    def parts(self, request: Request, fields: Fields) -> Response:
        runs, source = fields.get("runs"), fields.get("source")
        who, person = _worker(fields), request.path_params["person"]
        self._project.set_parts(who, person, runs, source, seconds=_seconds(fields))
        return JSONResponse({})

    def propose_parts(self, request: Request, fields: Fields) -> Response:
        who, person = _worker(fields), request.path_params["person"]
        value = self._project.propose_parts(who, person, seconds=_seconds(fields))
        return JSONResponse({"parts": value})

    def points(self, request: Request, fields: Fields) -> Response:
        who, person = _worker(fields), request.path_params["person"]
        self._project.make_points(who, person, seconds=_seconds(fields))
        return JSONResponse(self._project.person(person))

    def place(self, request: Request, fields: Fields) -> Response:
        who, person = _worker(fields), request.path_params["person"]
        where = [fields.get(key) for key in ("point", "view", "x", "y")]
        seconds = _seconds(fields)
        return JSONResponse(
            self._project.place(who, person, _layer(fields), *where, seconds=seconds)
        )

    def skip(self, request: Request, fields: Fields) -> Response:
        who, person, point = _worker(fields), request.path_params["person"], fields.get("point")
        self._project.skip(who, person, _layer(fields), point, seconds=_seconds(fields))
        return JSONResponse({})

    def keypoint(self, request: Request, fields: Fields) -> Response:
        who, person, place = _worker(fields), request.path_params["person"], fields.get("place")
        seconds = _seconds(fields)
        self._project.set_keypoint(who, person, fields.get("name"), place, seconds=seconds)
        return JSONResponse({})

    def stage(self, request: Request, fields: Fields) -> Response:
        who, person, layer = _worker(fields), request.path_params["person"], _layer(fields)
        seconds = _seconds(fields)
        self._project.set_stage(who, person, layer, fields.get("stage"), seconds=seconds)
        return JSONResponse(self._project.person(person, layer))

    def undo(self, request: Request, fields: Fields) -> Response:
        who, person = _worker(fields), request.path_params["person"]
        return JSONResponse({"person": self._project.undo(who, person, _layer(fields))})

    def remove(self, request: Request, fields: Fields) -> Response:
        self._project.remove_person(_worker(fields), request.path_params["person"])
        return JSONResponse({})

    def guard(self, request: Request, fields: Fields) -> Response:
        layer = request.query_params.get("layer", "main")
        person, point = request.path_params["person"], request.path_params["point"]
        return JSONResponse(self._project.guard(person, layer, point))

    def mesh(self, request: Request, fields: Fields) -> Response:
        return self._picture(request, self._project.body.mesh_bytes(), "application/octet-stream")

    def view(self, request: Request, fields: Fields) -> Response:
        where = request.path_params
        found = self._project.body.view_picture(where["part"], where["view"])
        return self._picture(request, found, "image/png")

    def pick(self, request: Request, fields: Fields) -> Response:
        x, y = (_number(request.query_params.get(key)) for key in ("x", "y"))
        where = request.path_params
        return JSONResponse(self._project.preview(where["part"], where["view"], x, y))

    def located(self, request: Request, fields: Fields) -> Response:
        """Tell where a chart point lies on the body and in the views of a part."""
        query = request.query_params
        part, chart, u, v = (_number(query.get(key)) for key in ("part", "I", "U", "V"))
        if not 0 <= u <= 1 or not 0 <= v <= 1:
            raise UserError("U and V lie in 0..1")
        body = self._project.body
        _, position = body.locate(int(chart), u, v)
        where = {"position": position.round(5).tolist()}
        return JSONResponse(where | body.shown(int(part), position))

    def quality(self, request: Request, fields: Fields) -> Response:
        return JSONResponse({"annotators": self._project.quality()})

    def quality_picture(self, request: Request, fields: Fields) -> Response:
        name = request.query_params.get("annotator", "")
        return self._picture(request, self._project.quality_picture(name), "image/png")

    def disagreement(self, request: Request, fields: Fields) -> Response:
        return JSONResponse(self._project.disagreements())

    def disagreement_picture(self, request: Request, fields: Fields) -> Response:
        return self._picture(request, self._project.disagreement_picture(), "image/png")

    def decide(self, request: Request, fields: Fields) -> Response:
        who, person = _worker(fields), request.path_params["person"]
        self._project.decide(who, person, fields.get("point"), fields.get("take"))
        return JSONResponse({})

    def export(self, request: Request, fields: Fields) -> Response:
        people, problems = write_export(self._project, self._out)
        return JSONResponse({"file": self._out.name, "people": people, "problems": problems})

    def _picture(self, request: Request, content: bytes, kind: str) -> Response:
        """Answer with bytes; a browser may keep those whose address names this run."""
        kept = request.query_params.get("run") == self._run
        headers = {"cache-control": "private, max-age=86400" if kept else "no-store"}
        return Response(content, media_type=kind, headers=headers)


async def _page(request: Request) -> Response:
    content, kind = _FILES["index.html"]
    return Response(content, media_type=kind, headers={"cache-control": "no-cache"})


async def _file(request: Request) -> Response:
    found = _FILES.get(request.path_params["name"])
    if found is None:
        return _error("no such file", 404)
    return Response(found[0], media_type=found[1], headers={"cache-control": "no-cache"})


def _guarded(call: Callable[[Request, Fields], Response]) -> Handler:
    """Read the body, work in a thread, answer errors of users with one line."""

    async def handler(request: Request) -> Response:
        try:
            fields = await _fields(request) if request.method == "POST" else {}
            return await run_in_threadpool(call, request, fields)
        except LeaseError as error:
            return _error(str(error), 409)
        except KeyError as error:
            return _error(f"no {error.args[0]}", 404)
        except (UserError, ValueError, ImportError) as error:
            return _error(one_line(str(error)), 400)

    return handler


async def _fields(request: Request) -> Fields:
    """The JSON object that a request brings.

    Raises:
        UserError: Too long, or no object.
    """
    content = b""
    async for block in request.stream():
        content += block
        if len(content) > MAX_BODY:
            raise UserError(f"more than {MAX_BODY} bytes")
    fields = parse_json(content or b"{}", "request")
    if not isinstance(fields, dict):
        raise UserError("request: not an object")
    return fields


def _worker(fields: Fields) -> Worker:
    tab = fields.get("tab")
    if not isinstance(tab, str) or not 0 < len(tab) <= _MAX_NAME:
        raise UserError("tab: a word that names the tab of the browser")
    return Worker(_name(fields.get("annotator")), tab)


def _name(value: Any) -> str:
    """Name of an annotator, printable and short."""
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_NAME:
        raise UserError(f"annotator: a name of 1 to {_MAX_NAME} letters")
    if not value.isprintable():
        raise UserError("annotator: the name has control characters")
    return value.strip()


def _layer(fields: Fields) -> str:
    layer = fields.get("layer", "main")
    if not isinstance(layer, str) or len(layer) > _MAX_NAME + 3:
        raise UserError("layer: no text")
    return layer


def _seconds(fields: Fields) -> float:
    value = fields.get("seconds", 0)
    if type(value) not in (int, float) or not 0 <= value < 1e9:
        raise UserError("seconds: a number of 0 or more")
    return float(value)


def _number(value: str | None) -> float:
    try:
        number = float(value or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"not a number: {value!r}")
    return number


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _error(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status_code=status)
