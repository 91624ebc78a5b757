"""The HTTP side, by a server on the loopback interface."""

import http.client
import json
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")

from mmktn.annotator.api import COOKIE, Access, build_app  # noqa: E402
from mmktn.annotator.command import _listen  # noqa: E402
from tests.test_annotator.conftest import four_parts  # noqa: E402

LOCAL = frozenset({"127.0.0.1", "localhost"})


class Client:
    """Asks one server; `headers` go with every request."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, fields=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = None
        if fields is not None:
            body = fields if isinstance(fields, bytes) else json.dumps(fields)
            headers = {"Content-Type": "application/json", **headers}
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if response.headers["content-type"] == "application/json":
            content = json.loads(content)
        return response.status, content, response.headers

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)[:2]

    def post(self, path, **fields):
        return self.ask("POST", path, {"annotator": "Ann", "tab": "t", **fields})[:2]


@contextmanager
def serving(project, out, access):
    listening = _listen("127.0.0.1", 0)
    config = uvicorn.Config(build_app(project, out, access), log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Client(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def client(project, tmp_path):
    with serving(project, tmp_path / "labels.json", Access(LOCAL)) as client:
        yield client


def test_a_person_from_box_to_file(client, project, tmp_path):
    status, person = client.post("/api/photos/1/people", box=[10, 10, 100, 100], ticket="k")
    assert status == 200
    where = f"/api/people/{person['id']}"
    assert client.post(f"{where}/parts", runs=four_parts(), source="drawn")[0] == 200
    _, person = client.post(f"{where}/points")
    for point in person["points"]:
        views = project.body.views(point["part"])
        rows, columns = np.nonzero(views.chart[1])
        place = {"view": 1, "x": columns[9] + 0.5, "y": rows[9] + 0.5}
        status, found = client.post(f"{where}/place", point=point["id"], seconds=1.5, **place)
        assert status == 200
        assert found["places"][1][2] is True
    assert client.post(f"{where}/skip", point=person["points"][0]["id"])[0] == 200
    assert client.post(f"{where}/keypoint", name="right_end", place=[20, 20, 1])[0] == 200
    status, person = client.post(f"{where}/stage", stage="done")
    assert person["stage"] == "done"
    status, undone = client.post(f"{where}/undo")
    assert undone["person"]["stage"] == "points"
    status, said = client.post("/api/export")
    assert said == {"file": "labels.json", "people": 1, "problems": []}
    written = json.loads((tmp_path / "labels.json").read_text())
    assert len(written["annotations"][0]["dp_x"]) == 55


def test_pictures_views_and_mesh(client, project):
    for path in ("/api/photos/1/tiles/0/0/0", "/api/photos/3/thumbnail"):
        assert client.get(path)[1].startswith(b"\xff\xd8")
    assert client.get("/api/views/1/5")[1].startswith(b"\x89PNG")
    mesh = project.body.mesh
    _, content = client.get("/api/body")
    assert np.frombuffer(content, "<u4", 2).tolist() == [mesh.num_vertices, mesh.num_faces]
    assert len(content) == 8 + 25 * mesh.num_vertices + 12 * mesh.num_faces
    places = np.frombuffer(content, "<f4", 3 * mesh.num_vertices, 8).reshape(-1, 3)
    np.testing.assert_allclose(places, mesh.vertices, atol=1e-6)
    picked = client.get("/api/pick/1/0?x=32.5&y=32.5")[1]
    query = "&".join(f"{name}={picked[name]}" for name in "IUV")
    located = client.get(f"/api/located?part=1&{query}")[1]
    np.testing.assert_allclose(located["position"], picked["position"], atol=1e-3)


def test_the_page_brings_all_its_files_itself(client):
    status, page = client.get("/")
    assert status == 200
    assert b"http" not in page.replace(b"http-equiv", b"")
    _, content, headers = client.ask("GET", "/web/main.js")
    assert headers["content-type"].startswith("text/javascript")
    assert "default-src 'self'" in headers["content-security-policy"]
    imported = [line.split('"')[-2] for line in content.decode().splitlines() if "import {" in line]
    assert len(imported) > 6
    for name in imported:
        assert client.get(f"/web/{name.removeprefix('./')}")[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/web/..%2fapi.py", "/web/%2e%2e/api.py", "/web/../api.py", "/web/%2fetc%2fpasswd",
     "/api/photos/99", "/api/photos/0/thumbnail", "/api/photos/..%2f1/thumbnail",
     "/api/people/1/guard/1", "/nothing"],
)  # fmt: skip
def test_nothing_else_is_served(client, path):
    assert client.get(path)[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "10.0.0.1", "", "127.0.0.1.evil.example", "["]
)
def test_another_name_is_refused(client, host):
    status, said, _ = client.ask("GET", "/api/photos", Host=host)
    assert status in (400, 403)
    assert "evil" not in str(said)


def test_names_are_known_in_lower_case():
    access = Access(frozenset({"Lab-PC"}))
    assert access.knows_host("lab-pc:8765")
    assert not access.knows_host("10.0.0.1")
    assert Access(frozenset(), any_address=True).knows_host("[fe80::1]:80")


def test_a_browser_keeps_pictures_of_this_run_alone(client, project, tmp_path):
    """Photo 1 of another project has the same address on the same port."""
    run = client.get("/api/project")[1]["run"]
    for path in ("/api/photos/1/tiles/0/0/0", "/api/photos/1/thumbnail", "/api/body"):
        for query, kept in ((f"?run={run}", True), ("?run=another", False), ("", False)):
            headers = client.ask("GET", path + query)[2]
            assert ("max-age" in headers["cache-control"]) == kept
    with serving(project, tmp_path / "labels.json", Access(LOCAL)) as other:
        assert other.get("/api/project")[1]["run"] != run


@pytest.mark.parametrize("query", ["I=inf&U=0&V=0", "I=1&U=nan&V=0", "I=9&U=0&V=0", "U=0&V=0"])
def test_no_place_is_made_up(client, query):
    assert client.get(f"/api/located?part=1&{query}")[0] == 400


def test_other_sites_change_nothing(client, project):
    fields = {"annotator": "Ann", "tab": "t", "box": [1, 1, 50, 50]}
    path = "/api/photos/1/people"
    assert client.ask("POST", path, fields, Origin="http://evil.example")[0] == 403
    assert client.ask("POST", path, fields, Origin="null")[0] == 403
    assert client.ask("POST", path, fields, Origin="http://[")[0] == 403
    assert client.ask("POST", path, fields, Content_Type="text/plain")[0] == 415
    assert client.ask("POST", path, fields, Sec_Fetch_Site="cross-site")[0] == 403
    assert client.ask("GET", "/api/photos", Sec_Fetch_Site="cross-site")[0] == 403
    assert project.store.people() == []
    mine = f"http://127.0.0.1:{client.port}"
    assert client.ask("POST", path, fields, Origin=mine)[0] == 200


@pytest.mark.parametrize(
    ("path", "fields", "match"),
    [
        ("/api/photos/1/people", {"box": [0, 0, "x", 2]}, "box"),
        ("/api/photos/1/people", {"box": [9, 9, 9, 9], "seconds": -1}, "seconds"),
        ("/api/photos/1/people", {"box": [9, 9, 9, 9], "annotator": ""}, "annotator"),
        ("/api/photos/1/people", {"box": [9, 9, 9, 9], "annotator": "a\x00b"}, "annotator"),
        ("/api/photos/1/people", {"box": [9, 9, 9, 9], "tab": 3}, "tab"),
        ("/api/photos/1/people", {"box": [9, 9, 9, 9], "ticket": 3}, "ticket"),
        ("/api/photos/1/proposals", {}, "no model"),
    ],
)
def test_bad_fields_get_one_line(client, project, path, fields, match):
    status, said = client.post(path, **fields)
    assert status == 400
    assert match in said["error"]
    assert "\n" not in said["error"]
    assert project.store.people() == []


@pytest.mark.parametrize("content", [b"[1]", b"{", b"\xff", b'{"a":' * 3000])
def test_what_is_no_object_is_refused(client, content):
    assert client.ask("POST", "/api/next", content)[0] == 400


def test_too_much_is_refused(client):
    status, said, _ = client.ask("POST", "/api/next", b" " * 2_100_000)
    assert (status, said["error"]) == (400, "more than 2000000 bytes")


def test_a_lost_lease_is_a_conflict(client):
    _, person = client.post("/api/photos/1/people", box=[10, 10, 100, 100])
    where = f"/api/people/{person['id']}"
    assert client.post(f"{where}/open", annotator="Ben")[0] == 409
    assert client.post(f"{where}/box", annotator="Ben", box=[1, 1, 9, 9])[0] == 409
    assert client.post(f"{where}/close")[0] == 200
    assert client.post(f"{where}/open", annotator="Ben")[0] == 200
    status, said = client.post(f"{where}/box", box=[1, 1, 9, 9])
    assert (status, said["error"]) == (409, "Ben is at work on this person")
    assert client.post(f"{where}/renew")[0] == 409
    assert client.post(f"{where}/renew", annotator="Ben")[0] == 200
    status, said = client.post(f"{where}/undo", annotator="Ben")
    assert (status, "nothing of yours" in said["error"]) == (400, True)  # the hold is not lost


def test_from_other_machines_a_token_is_needed(project, tmp_path):
    access = Access(LOCAL, "secret", any_address=True)
    with serving(project, tmp_path / "labels.json", access) as client:
        for path in ("/", "/web/main.js", "/api/photos", "/api/photos/1/thumbnail"):
            assert client.get(path)[0] == 401
        assert client.get("/?token=wrong")[0] == 401
        assert client.get("/api/photos?token=secret")[0] == 401  # only the page takes it
        status, _, headers = client.ask("GET", "/?token=secret")
        assert (status, headers["location"]) == (303, "/")
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert client.get("/api/photos", Cookie=f"{COOKIE}=secret")[0] == 200
        assert client.get("/api/photos", Authorization="Bearer secret")[0] == 200
        assert client.get("/api/photos", Cookie=f"{COOKIE}=other")[0] == 401
        # A numeric address cannot be rebound, a name can.
        assert client.ask("GET", "/", Host="192.168.1.5:80", Cookie=f"{COOKIE}=secret")[0] == 200
        assert client.ask("GET", "/", Host="evil.example", Cookie=f"{COOKIE}=secret")[0] == 403
