from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from topfive.records import BadInput
from topfive.web import create_app, serve
from topfive.web.headers import HEADERS

PATHS = [
    "/",
    "/board.json",
    "/classes",
    "/classes/n02123045",
    "/systems",
    "/style.css",
    "/thumbnails/train_0_0.jpg",
    "/nothing",
    "/classes?q=" + "x" * 101,
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_every_answer_has_the_headers(client: TestClient, path: str, method: str) -> None:
    found = client.request(method, path)
    for name, value in HEADERS.items():
        assert found.headers[name] == value
    policy = found.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "set-cookie" not in found.headers


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/runs/none",
        "/runs/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/runs/..%2fvault",
        "/classes/n99999999",
        "/classes/..%2f..%2fvault",
        "/classes/%00",
        "/thumbnails/none.jpg",
        "/thumbnails/..%2f..%2fvault%2ftruth.jpg",
        "/thumbnails/%2fetc%2fpasswd.jpg",
        "/vault/truth.json",
        "/public/manifest.parquet",
        "/docs",
        "/redoc",
        "/board/",
    ],
)
def test_what_is_not_there_is_refused_in_the_same_style(client: TestClient, path: str) -> None:
    found = client.get(path)
    assert found.status_code == 404
    if path.endswith(".json"):
        assert found.json()["error"]["status"] == 404
    else:
        assert '<a class="mark" href="/">' in found.text
        assert "Status 404" in found.text
    assert "passwd" not in found.text
    assert found.headers["cache-control"] == "no-store"


def test_refusals_of_twins_are_json(client: TestClient) -> None:
    for path in ("/runs/none.json", "/classes/n99999999.json"):
        error = client.get(path).json()["error"]
        assert error["status"] == 404
        assert error["reason"]
        assert error["fix"]


def test_a_request_that_cannot_be_understood_gets_400(client: TestClient) -> None:
    found = client.get("/classes?q=" + "x" * 101)
    assert found.status_code == 400
    assert "Status 400" in found.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written(client: TestClient, method: str) -> None:
    for path in ("/", "/board.json", "/classes/n02123045"):
        found = client.request(method, path)
        assert found.status_code == 405
        assert found.headers["allow"] == "GET"


def test_hostile_names_are_text_on_every_page(client: TestClient) -> None:
    for path in ("/", "/classes", "/classes/n02123045", "/runs/alexnet-tiny-0123456789"):
        text = client.get(path).text
        assert "<script" not in text
        assert "<img src=x" not in text
    assert "&lt;script&gt;" in client.get("/classes").text


def test_head_is_get_without_the_body(client: TestClient) -> None:
    got, head = client.get("/board"), client.head("/board")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["etag"] == got.headers["etag"]
    assert head.headers["content-length"] == got.headers["content-length"]


def test_a_reader_who_has_the_page_gets_304(client: TestClient) -> None:
    for path in ("/board", "/board.json", "/thumbnails/train_0_0.jpg", "/report"):
        tag = client.get(path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
        assert again.status_code == 304
        assert again.content == b""
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_an_empty_workspace_says_what_to_do(tmp_path: Path) -> None:
    client = TestClient(create_app(tmp_path), raise_server_exceptions=False)
    for path in ("/", "/classes", "/report", "/runs/x"):
        found = client.get(path)
        assert found.status_code == 404
    assert "topfive run --out DIR" in client.get("/").text
    assert client.get("/systems").status_code == 200


def test_a_damaged_file_is_named_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "board.json").write_text("{")
    found = TestClient(create_app(tmp_path), raise_server_exceptions=False).get("/")
    assert found.status_code == 500
    assert "board.json: cannot be read as a board" in found.text
    assert str(tmp_path) not in found.text


def test_a_failure_of_ours_tells_nothing(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("secret path /srv/secret")

    monkeypatch.setattr("topfive.flows.show_systems", fail)
    found = client.get("/systems.json")
    assert found.status_code == 500
    assert "secret" not in found.text
    assert json.loads(found.text)["error"]["status"] == 500
    assert found.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


def test_only_this_machines_names_are_answered_to(workspace: Path) -> None:
    client = TestClient(create_app(workspace, hosts=("127.0.0.1", "localhost")), raise_server_exceptions=False)
    assert client.get("/", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/", headers={"Host": "attacker.example"}).status_code == 400


def test_serve_refuses_what_it_cannot_serve(tmp_path: Path) -> None:
    import socket

    with pytest.raises(BadInput, match="is no folder"):
        serve(tmp_path / "none")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(BadInput, match="cannot be listened on"):
            serve(tmp_path, port=taken.getsockname()[1])
    with pytest.raises(BadInput, match="is no port"):
        serve(tmp_path, port=99999)
    with pytest.raises(BadInput, match="cannot be listened on"):
        serve(tmp_path, host="no such host")


def test_serving_loads_no_torch(workspace: Path) -> None:
    import subprocess

    code = f"""
import sys
from pathlib import Path
from starlette.testclient import TestClient
from topfive.web import create_app

client = TestClient(create_app(Path({str(workspace)!r})))
for path in ("/", "/systems", "/classes", "/thumbnails/train_0_0.jpg"):
    assert client.get(path).status_code == 200, path
assert not {{"torch", "sklearn", "matplotlib"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
