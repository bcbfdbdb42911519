"""Bad requests for every route: the table that `test_bad_input` sends."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.request_bodies import BODY_LIMIT, BODY_LIMIT_WITH_PICTURES

LOCALLY = "/generate/no_model"
GENERATE, FINE_TUNE, DATASETS = "/generate-image/", "/fine-tune/", "/datasets/"
ONE_IMAGE, ON_SERVER, TRAIN, RUN = "/image/generate", "/image/train", "/train_model/", "/run_model/"
_USUAL = {
    GENERATE: {"prompt": "a cat"},
    LOCALLY: {"prompt": "a cat"},
    FINE_TUNE: {"trigger_word": "TOK"},
    DATASETS: {},
    ONE_IMAGE: {"prompt": "a cat"},
    ON_SERVER: {"file_name": "no.zip", "new_model_name": "cat", "owner": "me", "trigger_word": "TOK"},
    TRAIN: {"instance_prompt": "a photo of sks cat"},
    RUN: {"prompt": "a cat"},
}
NOBODY = "0" * 32
_WITH_PICTURES = {GENERATE, ONE_IMAGE, LOCALLY}
BOUNDARY = {"Content_Type": "multipart/form-data; boundary=xx"}
EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


@dataclass(frozen=True)
class Bad:
    """A request that is wrong in one way; `says` has to stand in the sentence of the answer.

    `{image}` in a path stands for the name of a picture that exists, `{job}` for the id of a job.
    """

    kind: str
    status: int
    says: str
    path: str
    method: str = "GET"
    given: Mapping[str, Any] = field(default_factory=dict)


def _zip_of(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return packed.getvalue()


def _packed_zeros() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a.png", bytes(11_000_000))
    return packed.getvalue()


def _posted(path: str, kind: str, status: int, says: str, **given: Any) -> Bad:
    return Bad(kind, status, says, path, "POST", given)


def _form(path: str, kind: str, says: str, **fields: str) -> Bad:
    """A form that is right but for these fields."""
    return _posted(path, kind, 422, says, data={**_USUAL[path], **fields})


def _body(path: str, kind: str, status: int, says: str, content: bytes, **headers: str) -> Bad:
    """A body as it goes over the wire, JSON unless a header says something else."""
    sent = {"Content_Type": "application/json", **headers}
    named = {name.replace("_", "-"): value for name, value in sent.items()}
    return _posted(path, kind, status, says, content=content, headers=named)


def _any_body(path: str) -> list[Bad]:
    """What is wrong with a body whatever its fields are."""
    limit = BODY_LIMIT_WITH_PICTURES if path in _WITH_PICTURES else BODY_LIMIT
    long = b'{"prompt": "' + b"x" * limit + b'"}'
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    text, xml, none = ({"Content_Type": kind} for kind in ("text/plain", "application/xml", ""))
    usual = json.dumps({**_USUAL[path], "training_images_url": "http://127.0.0.1:9/"}).encode()
    nameless = b"--xx\r\nContent-Disposition: form-data\r\n\r\na\r\n--xx--\r\n"
    many = b"&".join(b"field%d=" % number for number in range(300))
    evil, far = {"Origin": "https://evil.example"}, {"X-Forwarded-For": "203.0.113.7"}
    return [
        _body(path, "no JSON", 422, "The body is not valid JSON: ", b'{"prompt": '),
        _body(path, "an empty body", 422, "The body is not valid JSON: EOF", b""),
        _body(path, "a list", 422, "The body must be a JSON object", b'["a cat"]'),
        _body(path, "a text", 422, "The body must be a JSON object", b'"a cat"'),
        _body(path, "null", 422, "The body must be a JSON object", b"null"),
        _body(path, "NaN", 422, "The body is not valid JSON: expected value", b'{"lora_scale": NaN}'),
        _body(path, "infinity", 422, "lora_rank: inf is not a finite number.", b'{"lora_rank": 1e999}'),
        _body(path, "half a character", 422, "The body is not valid JSON: ", b'{"note": "\\ud83e"}'),
        _body(path, "UTF-16", 422, "The body is not valid JSON: ", json.dumps({}).encode("utf-16")),
        _body(path, "bytes that are no UTF-8", 422, "The body is not valid JSON: ", b'{"note": "\xff"}'),
        _body(path, "a null byte", 422, "note: the text holds a null byte", b'{"note": "a\\u0000b"}'),
        _body(path, "a deep nest", 422, "The body is not valid JSON: ", b'{"note":' * 100_000),
        _body(path, "a strange name", 422, "this is not a possible name of a field.", b'{"a\\nb": 1}'),
        _body(path, "too large a body", 413, f"more than {limit:,} bytes", long),
        _body(path, "text", 415, "'text/plain' is not accepted; send application/x-www-form", b"cat", **text),
        _body(path, "XML", 415, "'application/xml' is not accepted", b"<cat/>", **xml),
        _body(path, "no kind of body", 415, "'' is not accepted", b"prompt=a", **none),
        _body(path, "a form that is no UTF-8", 422, "The form's text is not valid UTF-8.", b"a=%FF", **form),
        _body(path, "a field twice", 422, "steps: given more than once", b"steps=1&steps=2", **form),
        _body(path, "300 fields", 422, "more than 200 fields", many, **form),
        _body(path, "no boundary", 422, "Missing boundary", b"--xx", Content_Type="multipart/form-data"),
        _body(path, "no parts", 422, "The form cannot be read", b"a cat", **BOUNDARY),
        _body(path, "a part without a name", 422, "The form cannot be read", nameless, **BOUNDARY),
        _body(path, "an empty key", 422, "Idempotency-Key: '' is not possible", usual, Idempotency_Key=""),
        _body(
            path, "a long key", 422, "1 to 255 printable ASCII characters", usual, Idempotency_Key="k" * 256
        ),
        _body(
            path, "a key with a tab", 422, "Idempotency-Key: 'a\\tb' is not", usual, Idempotency_Key="a\tb"
        ),
        _posted(path, "a page from elsewhere", 403, "CORS_ORIGINS can allow it", headers=evil),
        _posted(path, "a caller from elsewhere", 403, "Set API_KEY", headers=far),
        _posted(f"{path}more", "something behind the path", 404, "There is nothing at", data={}),
        Bad("another method", 405, "GET is not possible at", path),
        Bad("a method that nobody knows", 405, "possible is POST", path, "BREW"),
    ]


def _named(path: str, says: str) -> list[Bad]:
    """What is wrong with an id in a path, where `{}` stands in `path`."""
    method = "POST" if path.endswith(("/cancel", "/redeliver")) else "GET"
    ids = {
        "nobody's id": NOBODY,
        "a number": "1",
        "SQL": "'%20OR%20'1'='1",
        "a null byte": "a%00b",
        "bytes that are no UTF-8": "%FF%FE",
        "half a character": "%ED%A0%80",
        "a long id": "x" * 5000,
        "a wildcard": "%25",
        "a tab": "a%09b",
        "spaces": "%20%20",
        "markup": "%3Cscript%3E",
        "a format": "%7B0%7D%25s",
        "a dot": "a.b",
    }
    nobody = path.replace("{}", NOBODY)
    page, caller = {"headers": {"Origin": "null"}}, {"headers": {"X-Real-IP": "nonsense"}}
    return [
        *(Bad(kind, 404, says, path.replace("{}", text), method) for kind, text in ids.items()),
        Bad("a way up", 404, "..", path.replace("{}", "..%2f..%2fetc%2fpasswd"), method),
        Bad("another method", 405, "DELETE is not possible", nobody, "DELETE"),
        Bad("a page from elsewhere", 403, "CORS_ORIGINS", nobody, method, page),
        Bad("a caller from elsewhere", 403, "API_KEY", nobody, method, caller),
    ]


def _plain(path: str, *, guarded: bool) -> list[Bad]:
    """What can be wrong where nothing is asked for: the method, the path, and who asks."""
    methods = ("POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
    paths = {
        "capitals": path.upper(),
        "something behind it": f"{path}/more",
        "two slashes behind it": f"{path}//",
        "a dot": f"{path}.json",
        "a null byte": f"{path}%00",
        "bytes that are no UTF-8": f"{path}%FF",
        "a way up": f"{path}/..%2f..%2fetc%2fpasswd",
        "SQL": f"{path}'%20OR%201=1",
        "a parameter of the path": f"{path};a=b",
        "a space": f"{path}%20",
        "a long path": path + "x" * 5000,
    }
    cases = [Bad(f"the method {name}", 405, f"{name} is not possible at", path, name) for name in methods]
    cases += [Bad(kind, 404, "There is nothing at", wrong) for kind, wrong in paths.items()]
    if guarded:
        page, caller = {"Origin": "https://evil.example"}, {"Forwarded": "for=203.0.113.7"}
        cases.append(Bad("a page from elsewhere", 403, "CORS_ORIGINS", path, given={"headers": page}))
        cases.append(Bad("a caller from elsewhere", 403, "API_KEY", path, given={"headers": caller}))
    return cases


def _query(path: str, kind: str, says: str, query: str) -> Bad:
    return Bad(kind, 422, says, f"{path}?{query}")


def _upload(kind: str, says: str, *files: tuple[str, bytes], **fields: str) -> Bad:
    parts = [("training_images", (name, content)) for name, content in files]
    return _posted(FINE_TUNE, kind, 422, says, data={"trigger_word": "TOK", **fields}, files=parts)


BOMB = _packed_zeros()
_ONLY_FOR_JOBS = (
    "an empty key",
    "a long key",
    "a key with a tab",
    "infinity",
    "another method",
    "something behind the path",
)
_METADATA = "http://169.254.169.254/latest"
_GENERATE = [
    _posted(GENERATE, "nothing at all", 422, "prompt: missing, but required."),
    _form(GENERATE, "a blank prompt", "prompt: blank; 1 to 10,000 characters are allowed", prompt=" "),
    _form(GENERATE, "a long prompt", "is too long; 1 to 10,000 characters", prompt="x" * 10_001),
    _form(GENERATE, "too small", "width: 255 is too small; 256 to 1440 is allowed.", width="255"),
    _form(GENERATE, "too large", "height: 1441 is too large; 256 to 1440 is allowed.", height="1441"),
    _form(GENERATE, "a word for a number", "seed: 'seven' is not a whole number", seed="seven"),
    _form(GENERATE, "a part of a number", "num_outputs: '1.5' is not a whole number", num_outputs="1.5"),
    _form(GENERATE, "too large for a computer", "seed: 9999999999", seed="9" * 40),
    _form(GENERATE, "too many digits", "has too many digits", seed="9" * 5000),
    _form(GENERATE, "a form's NaN", "'nan' is not a finite number; -1 to 2", lora_scale="nan"),
    _form(GENERATE, "a form's infinity", "guidance_scale: '-inf' is not a finite", guidance_scale="-inf"),
    _form(GENERATE, "SQL for a number", "seed: '1; DROP TABLE jobs' is not", seed="1; DROP TABLE jobs"),
    _form(
        GENERATE, "no choice", "'gif' is not one of the choices; webp, jpg, jpeg or png", output_format="gif"
    ),
    _form(GENERATE, "neither true nor false", "'maybe' is not true or false", disable_safety_checker="maybe"),
    _posted(GENERATE, "a list for a text", 422, 'prompt: ["a cat"] is not text', json={"prompt": ["a cat"]}),
    _posted(
        GENERATE, "true for a number", 422, "seed: true is not a number", json={"prompt": "a", "seed": True}
    ),
    _posted(
        GENERATE, "a file for a text", 422, "prompt: a file, but text", files={"prompt": ("a.txt", b"a")}
    ),
    _posted(
        GENERATE, "a model that is none", 404, "no/such-model", data={"prompt": "a", "model": "no/such-model"}
    ),
    _form(GENERATE, "a model's name that is none", "'../../etc/passwd'", model="../../etc/passwd"),
    _form(
        GENERATE, "a webhook that is none", "Allowed are http and https.", webhook_url="mailto:me@a.example"
    ),
    _form(GENERATE, "a webhook to a secret place", "a cloud metadata address", webhook_url=_METADATA),
    _form(GENERATE, "events for nobody", "'start' is for nobody", webhook_events="start"),
    *_any_body(GENERATE),
]
_FINE_TUNE = [
    _posted(FINE_TUNE, "nothing at all", 422, "trigger_word: missing, but required."),
    _form(FINE_TUNE, "no pictures", "none was given; give either the URL of a zip"),
    _form(FINE_TUNE, "a blank word", "trigger_word: blank; 1 to 64 characters", trigger_word=" "),
    _form(FINE_TUNE, "a long word", "is too long; 1 to 64 characters", trigger_word="x" * 65),
    _form(FINE_TUNE, "a word with a line break", "holds line breaks", trigger_word="T\nK"),
    _form(FINE_TUNE, "a word for a number", "steps: 'many' is not a whole number", steps="many"),
    _form(FINE_TUNE, "a way up", "'me/../cats' is not a model's name", destination_model="me/../cats"),
    _form(FINE_TUNE, "text for the pictures", "text, but a file is wanted", training_images="cats.zip"),
    _form(FINE_TUNE, "no URL", "names no valid host", training_images_url="http://[cats"),
    _form(FINE_TUNE, "a file's URL", "Allowed are http and https.", training_images_url="file:///etc/passwd"),
    _form(
        FINE_TUNE, "a URL with a password", "holds a user name", training_images_url="http://me:pw@127.0.0.1/"
    ),
    _form(
        FINE_TUNE,
        "a URL where nobody is",
        "no connection can be made",
        training_images_url="http://127.0.0.1:9/",
    ),
    _form(
        FINE_TUNE,
        "a webhook to a secret place",
        "a cloud metadata address",
        webhook_url=_METADATA,
        training_images_url="http://127.0.0.1:9/",
    ),
    _form(FINE_TUNE, "an event that is none", "allowed are start, progress, completed", webhook_events="end"),
    _upload(
        "both sources", "more than one was given", ("a.zip", b"PK"), training_images_url="http://127.0.0.1:9/"
    ),
    _upload("an empty file", "'a.zip'", ("a.zip", b"")),
    _upload("no zip", "'a.zip'", ("a.zip", b"these are cats")),
    _upload("an empty zip", "no usable picture", ("a.zip", EMPTY_ZIP)),
    _upload("half a zip", "'a.zip'", ("a.zip", _zip_of(**{"a.png": bytes(500)})[:300])),
    _upload("a zip of texts", "no usable picture", ("a.zip", _zip_of(**{"a.txt": b"a cat"}))),
    _upload("no picture", "'a.png' cannot be read as a picture", ("a.png", b"a cat"), ("b.png", b"a cat")),
    _posted(
        FINE_TUNE, "a dataset that is none", 404, "No dataset", data={"trigger_word": "T", "dataset_id": "1"}
    ),
    _posted(FINE_TUNE, "a file elsewhere", 422, "taken as 'training_images' only", files={"pictures": b"PK"}),
    _body(FINE_TUNE, "too large an upload", 413, "taken here", b"--xx", Content_Length="9" * 15, **BOUNDARY),
    *_any_body(FINE_TUNE),
]
_JOBS = [
    _query("/jobs", "no number", "limit: 'x' is not a whole number", "limit=x"),
    _query("/jobs", "too few", "limit: 0 is too small; at least 1 is allowed.", "limit=0"),
    _query("/jobs", "too many", "limit: 101 is too large; at most 100", "limit=101"),
    _query("/jobs", "a part of a number", "limit: '1.5' is not a whole number", "limit=1.5"),
    _query("/jobs", "too large for a computer", "limit: ", f"limit={'9' * 5000}"),
    _query("/jobs", "nothing for a number", "limit: empty", "limit="),
    _query("/jobs", "no kind", "kind: 'cat' is not one of the choices", "kind=cat"),
    _query("/jobs", "SQL", 'status: "\' OR 1=1 --" is not', "status='%20OR%201=1%20--"),
    _query("/jobs", "capitals", "'SUCCEEDED' is not one of the choices", "status=SUCCEEDED"),
    _query("/jobs", "a null byte", "kind: 'a\\x00b' is not", "kind=a%00b"),
    _query("/jobs", "bytes that are no UTF-8", "kind: ", "kind=%FF"),
    _query("/jobs", "an invented cursor", "'abc' is not a cursor of this list", "cursor=abc"),
    _query("/jobs", "a cursor of null bytes", "cursor: ", "cursor=AAAA"),
    _query("/jobs", "a cursor that is no base64", "is not a cursor of this list", "cursor=%F0%9F%90%88"),
    _query("/jobs", "a long cursor", "is too long; at most 500 characters", f"cursor={'a' * 501}"),
    Bad("another method", 405, "POST is not possible at '/jobs'; possible is GET.", "/jobs", "POST"),
    Bad("a page from elsewhere", 403, "CORS_ORIGINS", "/jobs", given={"headers": {"Origin": "null"}}),
]
_IMAGE = "/get-image/{image}"
_GET_IMAGE = [
    *_named("/get-image/{}", "No image with the name"),
    Bad("a way up in the open", 404, "/etc/passwd", "/get-image/../../../etc/passwd"),
    Bad("no name", 404, "No image with the name ''", "/get-image/"),
    Bad("a hidden file", 404, "'.gitkeep'", "/get-image/.gitkeep"),
    _query(_IMAGE, "too narrow", "width: 15 is too small; at least 16", "width=15"),
    _query(_IMAGE, "too wide", "width: 2049 is too large; at most 2048", "width=2049"),
    _query(_IMAGE, "no number", "width: 'wide' is not a whole number", "width=wide"),
    _query(_IMAGE, "infinity", "width: 'inf' is not a whole number", "width=inf"),
    _query(_IMAGE, "neither true nor false", "download: 'perhaps' is not true or false", "download=perhaps"),
    Bad(
        "a part behind the end",
        416,
        "The picture has",
        _IMAGE,
        given={"headers": {"Range": "bytes=9999999-"}},
    ),
    Bad("a part of nothing", 416, "lies behind the end", _IMAGE, given={"headers": {"Range": "bytes=-0"}}),
]


def _receiver(path: str) -> list[Bad]:
    """What is wrong with the address of a receiver of webhooks."""
    addresses = {
        "a blank": (" ", "Allowed are http and https."),
        "a word": ("hook", "Allowed are http and https."),
        "a file": ("file:///etc/passwd", "begins with 'file'. Allowed are http and https."),
        "no host": ("https:///hook", "names no valid host and port"),
        "half an address": ("http://[::1/hook", "is not a valid URL"),
        "no port": ("https://app.example:0/", "names no valid host and port"),
        "a password": ("https://me:pw@app.example/", "holds a user name or a password"),
        "a long address": (f"https://app.example/{'x' * 512}", "is too long; 1 to 512 characters"),
    }
    text, page = {"Content_Type": "text/plain"}, {"Origin": "https://evil.example"}
    return [
        _posted(path, "nothing at all", 422, "webhook_url: missing, but required."),
        *(
            _posted(path, kind, 422, says, data={"webhook_url": url})
            for kind, (url, says) in addresses.items()
        ),
        _posted(path, "a number", 422, "webhook_url: 7 is not text", json={"webhook_url": 7}),
        _posted(path, "null", 422, "webhook_url: null is not text", json={"webhook_url": None}),
        _body(path, "no JSON", 422, "The body is not valid JSON", b"{"),
        _body(path, "text", 415, "'text/plain' is not accepted", b"https://app.example/", **text),
        _body(path, "too large a body", 413, "more than 1,048,576 bytes", b"x" * 1_100_000),
        _posted(path, "a page from elsewhere", 403, "CORS_ORIGINS can allow it", headers=page),
        Bad("another method", 405, "GET is not possible at", path),
    ]


def _aliased(path: str, method: str) -> list[Bad]:
    """What is wrong with the name of a fine-tune in a path, where `{}` stands in `path`."""
    given = {"data": {"alias": "my-cat"}} if method == "PATCH" else {}
    cases = [
        Bad(bad.kind, 404, bad.says, bad.path, method, given)
        for bad in _named(path, "No fine-tune in the list is called")
        if bad.status == 404 and bad.kind != "a way up"
    ]
    nobody, page = path.replace("{}", "nobody"), {"headers": {"Origin": "https://evil.example"}}
    return [
        *cases,
        Bad("another method", 405, "PUT is not possible", nobody, "PUT"),
        Bad("a page from elsewhere", 403, "CORS_ORIGINS", nobody, method, {**given, **page}),
        Bad("something behind it", 404, "There is nothing at", f"{nobody}/more/more", method, given),
    ]


def _renamed(kind: str, says: str, **given: Any) -> Bad:
    return Bad(kind, 422, says, "/models/nobody", "PATCH", given)


_RENAME = [
    _renamed("nothing at all", "alias: missing, but required."),
    _renamed("an empty alias", "alias: ", data={"alias": ""}),
    _renamed("capitals", "'My-Cat' is not a possible alias; 1 to 64 of a-z", data={"alias": "My-Cat"}),
    _renamed("an owner", "'me/cat' is not a possible alias", data={"alias": "me/cat"}),
    _renamed("blanks", "' ' is not a possible alias", data={"alias": " "}),
    _renamed("a dot first", "'.cat' is not a possible alias", data={"alias": ".cat"}),
    _renamed("a line break", "is not a possible alias", data={"alias": "cat\n"}),
    _renamed("other letters", "'k\u00e4tzchen' is not a possible alias", data={"alias": "k\u00e4tzchen"}),
    _renamed("a long alias", "is too long; 1 to 64 characters", data={"alias": "x" * 65}),
    _renamed("FLUX itself", "'dev' always means FLUX itself", data={"alias": "dev"}),
    _renamed("a new number", "alias: 7 is not text", json={"alias": 7}),
    _renamed("null", "alias: null is not text", json={"alias": None}),
    _renamed("no JSON", "not valid JSON", content=b"{", headers={"Content-Type": "application/json"}),
    Bad(
        "text",
        415,
        "'text/plain' is not accepted",
        "/models/nobody",
        "PATCH",
        {"content": b"my-cat", "headers": {"Content-Type": "text/plain"}},
    ),
]


def _sampled(kind: str, says: str, **given: Any) -> Bad:
    return Bad(kind, 422, says, "/models/nobody/sample", "POST", given)


_SAMPLE = [
    _sampled("a blank prompt", "prompt: blank", data={"prompt": " "}),
    _sampled("a long prompt", "is too long; 1 to 10,000 characters", data={"prompt": "x" * 10_001}),
    _sampled("a word for a number", "seed: 'seven' is not a whole number", data={"seed": "seven"}),
    _sampled("a number below", "seed: -1 is too small", json={"seed": -1}),
    _sampled("truth for a number", "seed: true is not a number", json={"seed": True}),
    _sampled("a list", "The body must be a JSON object", json=["a cat"]),
    _sampled("an empty key", "Idempotency-Key: '' is not possible", headers={"Idempotency-Key": ""}),
]


def _of_dataset(path: str, method: str = "GET") -> list[Bad]:
    """What is wrong with the id of a dataset."""
    named = _named(path, "No dataset with id")
    tried = [replace(bad, method=method) for bad in named if bad.kind not in ("another method", "a way up")]
    return [
        *tried,
        *(bad for bad in named if bad.kind == "a way up"),
        Bad("another method", 405, "PATCH is not possible", path.replace("{}", NOBODY), "PATCH"),
    ]


def _dataset(kind: str, says: str, *files: tuple[str, bytes], **fields: str) -> Bad:
    parts = [("training_images", (name, content)) for name, content in files]
    return _posted(DATASETS, kind, 422, says, data=fields, files=parts)


_DATASETS = [
    _posted(DATASETS, "nothing at all", 422, "none was given; give either URLs or an upload"),
    _dataset("both sources", "both were given", ("a.zip", b"PK"), training_images_url="http://127.0.0.1:9/"),
    _dataset("no URL", "names no valid host", training_images_url="http://[cats"),
    _dataset("a file's URL", "Allowed are http and https.", training_images_url="file:///etc/passwd"),
    _dataset("a URL where nobody is", "no connection can be made", training_images_url="http://127.0.0.1:9/"),
    _dataset("a secret place", "a cloud metadata address", training_images_url=_METADATA),
    _dataset("too many URLs", "101 URLs; 1 to 100 are allowed.", training_images_url="http://a/ " * 101),
    _dataset("a long URL", "is too long; 1 to 2000", training_images_url=f"http://a/{'x' * 2000}"),
    _posted(
        DATASETS, "numbers for URLs", 422, "is not a URL or a list of URLs", json={"training_images_url": [7]}
    ),
    _dataset("a long name", "is too long; 1 to 255 characters", ("a.zip", b"PK"), name="x" * 256),
    _dataset("no name for a model", "is not a model's name", ("a.zip", b"PK"), destination_model="../cats"),
    _dataset("an empty file", "'a.zip'", ("a.zip", b"")),
    _dataset("no zip", "'a.zip' is not a zip file", ("a.zip", b"these are cats")),
    _dataset("half a zip", "cut off or damaged", ("a.zip", _zip_of(**{"a.png": bytes(500)})[:300])),
    _dataset("a zip of texts", "no usable picture", ("a.zip", _zip_of(**{"a.txt": b"a cat"}))),
    _dataset("no picture", "'a.png' cannot be read as a picture", ("a.png", b"a cat")),
    _dataset("a bomb", "over 200 times its size", ("a.zip", BOMB)),
    _dataset("a wrong option", "lora_rank: 9999 is too high", ("a.zip", b"no"), lora_rank="9999"),
    _dataset("an option that is none", "is not an option of", ("a.zip", b"no"), cats="many"),
    _posted(DATASETS, "a file elsewhere", 422, "taken as 'training_images' only", files={"pictures": b"PK"}),
    _body(DATASETS, "too large an upload", 413, "taken here", b"--xx", Content_Length="9" * 15, **BOUNDARY),
    *(bad for bad in _any_body(DATASETS) if bad.kind not in _ONLY_FOR_JOBS),
]


def _run_of(version: str) -> dict[str, str]:
    return {"prompt": "a cat", "version": version}


def _body_of_any_kind(path: str) -> list[Bad]:
    """What is wrong with a body whatever its fields are, at routes with and without a slash at the end."""
    return [bad for bad in _any_body(path) if bad.kind != "something behind the path"]


def _unsigned(path: str) -> list[Bad]:
    """Webhooks that do not come from the provider."""
    right = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1767268800",
        "webhook-signature": f"v1,{'A' * 43}=",
    }
    headers: dict[str, tuple[dict[str, str], str]] = {
        "no signature at all": ({}, "The header 'webhook-id' is missing."),
        "a key instead": ({"Authorization": "Bearer key"}, "The header 'webhook-id' is missing."),
        "no id": ({**right, "webhook-id": ""}, "The header 'webhook-id' is missing."),
        "no time": ({**right, "webhook-timestamp": ""}, "The header 'webhook-timestamp' is missing."),
        "no signature": ({**right, "webhook-signature": ""}, "The header 'webhook-signature' is missing."),
        "a time that is none": ({**right, "webhook-timestamp": "noon"}, "is not a time in Unix seconds."),
        "a time in words of ours": ({**right, "webhook-timestamp": "1e9"}, "is not a time in Unix seconds."),
        "an old one": ({**right, "webhook-timestamp": "1767260000"}, "signed more than 5 minutes from now"),
        "one of tomorrow": ({**right, "webhook-timestamp": "1767355200"}, "more than 5 minutes from now"),
        "a wrong signature": (right, "belongs to this body."),
        "a signature of another kind": ({**right, "webhook-signature": "v2,AAAA"}, "belongs to this body."),
        "no base64": ({**right, "webhook-signature": "v1,\u00e9"}, "belongs to this body."),
    }
    return [
        *(
            _posted(path, kind, 401, says, content=b'{"id": "abc"}', headers=_as_bytes(sent))
            for kind, (sent, says) in headers.items()
        ),
        _posted(path, "bytes that are no UTF-8", 401, "not UTF-8", content=b"\xff", headers=right),
        _posted(path, "too large a body", 413, "more than 16,777,216 bytes", content=b"x" * 16_777_217),
        Bad("another method", 405, "GET is not possible at", path),
    ]


def _as_bytes(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in headers.items()}


_START = [
    *(
        Bad(f"the method {name}", 405, f"{name} is not possible at", "/", name)
        for name in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
    ),
    *(
        Bad(kind, 404, "There is nothing at", path)
        for kind, path in {
            "something behind it": "/more",
            "a null byte": "/%00",
            "bytes that are no UTF-8": "/%FF",
            "SQL": "/'%20OR%201=1",
            "a space": "/%20",
            "a long path": "/" + "x" * 5000,
        }.items()
    ),
    Bad("a page from elsewhere", 403, "CORS_ORIGINS", "/", given={"headers": {"Origin": "null"}}),
    Bad("a caller from elsewhere", 403, "API_KEY", "/", given={"headers": {"Forwarded": "for=203.0.113.7"}}),
]


def _of_provider(path: str, method: str = "GET") -> list[Bad]:
    """What is wrong with a provider and the id of a fine-tune there, which `path` begins with."""
    headers = {"a page from elsewhere": {"Origin": "null"}, "a caller": {"Forwarded": "for=203.0.113.7"}}
    rest = path.removeprefix("/providers/bfl")
    return [
        *(
            Bad(kind, 404, "keeps fine-tunes of its own; there is bfl.", f"/providers/{name}{rest}", method)
            for kind, name in {
                "another provider": "replicate",
                "nobody": NOBODY,
                "capitals": "BFL",
                "a null byte": "bfl%00",
                "bytes that are no UTF-8": "%FF",
                "SQL": "'%20OR%201=1",
                "a long name": "x" * 5000,
                "a space": "bfl%20",
                "markup": "%3Cscript%3E",
            }.items()
        ),
        Bad("a way up", 404, "There is nothing at", f"/providers/..%2f..{rest}", method),
        Bad("another method", 405, "PUT is not possible", path, "PUT"),
        *(Bad(kind, 403, "", path, method, {"headers": each}) for kind, each in headers.items()),
    ]


def _of_provider_fine_tune(method: str) -> list[Bad]:
    path = "/providers/bfl/fine-tunes"
    wrong = {
        "no such id": "nobody",
        "a null byte in it": "a%00b",
        "SQL in it": "'%20OR",
    }
    return [
        *_of_provider(f"{path}/nobody", method),
        *(
            Bad(kind, 404, "Black Forest Labs has no fine-tune", f"{path}/{text}", method)
            for kind, text in wrong.items()
        ),
    ]


BAD_REQUESTS: Mapping[str, list[Bad]] = {
    "GET /": _START,
    "POST /generate/{model_name}": [
        _posted(LOCALLY, "nothing at all", 422, "prompt: missing, but required."),
        _form(LOCALLY, "a blank prompt", "prompt: blank;", prompt=" "),
        _form(LOCALLY, "no number", "guidance_scale: 'much' is not a number", guidance_scale="much"),
        _form(LOCALLY, "no steps", "num_inference_steps: 0 is too small", num_inference_steps="0"),
        _form(
            LOCALLY, "too many steps", "num_inference_steps: 1001 is too large", num_inference_steps="1001"
        ),
        _form(LOCALLY, "a seed below", "seed: -1 is too small", seed="-1"),
        # Names of models may have slashes in them, so that everything behind the path is a name.
        *(bad for bad in _any_body(LOCALLY) if bad.kind != "something behind the path"),
    ],
    "GET /providers/{provider}/fine-tunes": _of_provider("/providers/bfl/fine-tunes"),
    "GET /providers/{provider}/fine-tunes/{fine_tune_id}": _of_provider_fine_tune("GET"),
    "DELETE /providers/{provider}/fine-tunes/{fine_tune_id}": _of_provider_fine_tune("DELETE"),
    "POST /generate-image/": _GENERATE,
    "GET /get-image/{image_filename}": _GET_IMAGE,
    "POST /fine-tune/": _FINE_TUNE,
    "GET /training-status/{training_id}": _named("/training-status/{}", "No job with id"),
    "GET /jobs": _JOBS,
    "GET /jobs/{job_id}": _named("/jobs/{}", "No job with id"),
    "POST /jobs/{job_id}/cancel": _named("/jobs/{}/cancel", "No job with id"),
    "GET /jobs/{job_id}/events": _named("/jobs/{}/events", "No job with id"),
    "GET /jobs/{job_id}/deliveries": _named("/jobs/{}/deliveries", "No job with id"),
    "POST /jobs/{job_id}/deliveries/{event_id}/redeliver": [
        *_named("/jobs/{}/deliveries/evt_1/redeliver", "No job with id"),
        Bad(
            "no event",
            404,
            "The job has no event with id 'evt_1'.",
            "/jobs/{job}/deliveries/evt_1/redeliver",
            "POST",
        ),
    ],
    "POST /webhook-secrets": _receiver("/webhook-secrets"),
    "POST /webhook-secrets/rotate": _receiver("/webhook-secrets/rotate"),
    "GET /models": [bad for bad in _plain("/models", guarded=True) if bad.kind != "something behind it"],
    "GET /models/{alias}": _aliased("/models/{}", "GET"),
    "PATCH /models/{alias}": [*_aliased("/models/{}", "PATCH"), *_RENAME],
    "DELETE /models/{alias}": _aliased("/models/{}", "DELETE"),
    "POST /models/{alias}/sample": [*_aliased("/models/{}/sample", "POST"), *_SAMPLE],
    "POST /datasets/": _DATASETS,
    "GET /datasets": [
        *(
            _query("/datasets", kind, says, query)
            for kind, says, query in (
                ("no number", "limit: 'x' is not a whole number", "limit=x"),
                ("too few", "limit: 0 is too small; at least 1 is allowed.", "limit=0"),
                ("too many", "limit: 101 is too large; at most 100", "limit=101"),
                ("a part of a number", "limit: '1.5' is not a whole number", "limit=1.5"),
                ("too large for a computer", "limit: ", f"limit={'9' * 5000}"),
                ("nothing for a number", "limit: empty", "limit="),
                ("an invented cursor", "'abc' is not a cursor of this list", "cursor=abc"),
                ("a cursor of null bytes", "cursor: ", "cursor=AAAA"),
                ("a cursor that is no base64", "is not a cursor of this list", "cursor=%F0%9F%90%88"),
                ("a long cursor", "is too long; at most 500 characters", f"cursor={'a' * 501}"),
            )
        ),
        Bad("another method", 405, "PUT is not possible at '/datasets'", "/datasets", "PUT"),
        Bad("a page from elsewhere", 403, "CORS_ORIGINS", "/datasets", given={"headers": {"Origin": "null"}}),
    ],
    "GET /datasets/{dataset_id}": _of_dataset("/datasets/{}"),
    "DELETE /datasets/{dataset_id}": _of_dataset("/datasets/{}", "DELETE"),
    "GET /datasets/{dataset_id}/contact-sheet": _of_dataset("/datasets/{}/contact-sheet"),
    "POST /image/generate": [
        _posted(ONE_IMAGE, "nothing at all", 422, "prompt: missing, but required."),
        _form(ONE_IMAGE, "two pictures", "num_outputs: 2 is too large; ", num_outputs="2"),
        _form(ONE_IMAGE, "a blank prompt", "prompt: blank;", prompt=" "),
        *_body_of_any_kind(ONE_IMAGE),
    ],
    "POST /image/train": [
        _posted(ON_SERVER, "nothing at all", 422, "file_name: missing, but required."),
        _form(ON_SERVER, "a zip that is not there", "file_name: 'no.zip' is not there"),
        _form(ON_SERVER, "a way up", "file_name: '../no.zip' is not possible", file_name="../no.zip"),
        _form(ON_SERVER, "a path", "file_name: '/etc/a.zip' is not possible", file_name="/etc/a.zip"),
        _form(ON_SERVER, "no zip", "file_name: 'README.md' is not possible", file_name="README.md"),
        _form(ON_SERVER, "an owner with a slash", "owner: 'me/you' is not possible", owner="me/you"),
        _form(ON_SERVER, "a name with a space", "'my cat' is not possible", new_model_name="my cat"),
        _form(ON_SERVER, "a blank word", "trigger_word: blank;", trigger_word=" "),
        *_body_of_any_kind(ON_SERVER),
    ],
    "POST /train_model/": [
        _posted(TRAIN, "nothing at all", 422, "instance_prompt: missing, but required."),
        _form(TRAIN, "no pictures", "file: missing, but required"),
        _form(TRAIN, "text for the pictures", "text, but a file is wanted", file="cats.zip"),
        _form(TRAIN, "no steps", "max_train_steps: 0 is too small; 1 to 100000", max_train_steps="0"),
        _form(TRAIN, "a word for a number", "'many' is not a whole number", max_train_steps="many"),
        _form(TRAIN, "no model", "'a/b/c' is not a model's name", model="a/b/c"),
        _posted(
            TRAIN, "no zip", 422, "'a.zip'", data=_USUAL[TRAIN], files={"file": ("a.zip", b"these are cats")}
        ),
        _posted(TRAIN, "a file elsewhere", 422, "taken as 'file' only", files={"pictures": b"PK"}),
        *_body_of_any_kind(TRAIN),
    ],
    "POST /run_model/": [
        _posted(RUN, "nothing at all", 422, "prompt: missing, but required."),
        _posted(RUN, "a version of nothing", 404, "No model here has the version", json=_run_of("a" * 64)),
        _posted(RUN, "a model that is none", 404, "no/such-model", json=_run_of("no/such-model")),
        _posted(RUN, "a version that is none", 422, "is not the name of a model", json=_run_of("a:b")),
        _form(RUN, "a seed below zero", "seed: -1 is too small; 0 to 4294967295", seed="-1"),
        *_body_of_any_kind(RUN),
    ],
    "GET /get_prediction/": [
        Bad("nothing at all", 422, "url: missing, but required.", "/get_prediction/"),
        *(
            _query("/get_prediction/", kind, "is no prediction's address", f"url={url}")
            for kind, url in {
                "a secret place": "http://169.254.169.254/latest",
                "this machine": "http://127.0.0.1:8000/predictions/abc",
                "a file": "file:///etc/passwd",
                "a way up": "https://api.replicate.com/v1/predictions/..%252f..%252faccount",
                "another host": "https://api.replicate.com.evil.example/v1/predictions/abc",
                "a name and a password": "https://a:b@api.replicate.com/v1/predictions/abc",
                "a training": "https://api.replicate.com/v1/trainings/abc",
                "a null byte": "a%00b",
                "bytes that are no UTF-8": "%FF",
                "a query behind it": "https://api.replicate.com/v1/predictions/abc%3Fa=b",
            }.items()
        ),
        _query("/get_prediction/", "a long address", "is too long; at most 500", f"url={'a' * 501}"),
        Bad("nobody's id", 404, "No job with id", f"/get_prediction/?url={NOBODY}"),
        Bad("another method", 405, "PUT is not possible at", "/get_prediction/", "PUT"),
    ],
    "GET /get_training_status/{training_id}/": _named("/get_training_status/{}/", "No job with id"),
    "GET /predictions/{prediction_id}": _named("/predictions/{}", "No job with id"),
    "POST /predictions/{prediction_id}/cancel": _named("/predictions/{}/cancel", "No job with id"),
    "GET /trainings/{training_id}": _named("/trainings/{}", "No job with id"),
    "POST /trainings/{training_id}/cancel": _named("/trainings/{}/cancel", "No job with id"),
    "POST /webhook/": _unsigned("/webhook/"),
    "POST /webhook/{job_id}": _unsigned("/webhook/{job}"),
    "GET /ping": _plain("/ping", guarded=False),
    "GET /health": _plain("/health", guarded=False),
    "GET /metrics": _plain("/metrics", guarded=True),
}
"""By method and path as the OpenAPI document has them."""
