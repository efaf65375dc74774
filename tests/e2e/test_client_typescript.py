"""The TypeScript client is what the OpenAPI document says, passes its compiler, and reads from a real server.

After a change of the interface write its files anew: `.venv/bin/python tests/e2e/test_client_typescript.py`.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from generated import CLIENT, generated
from javascript import NODE, packages
from pages_world import ANN, EVERY, open_shop

from api.http.keys import create_key

pytestmark = pytest.mark.e2e
USED = """
import { Kindred, ProblemError } from "%s"
const kindred = new Kindred({ url: process.env.KINDRED_URL, key: process.env.KINDRED_KEY })
const person = await kindred.call("lookupProfile", {
  body: { identifier: { type: "email", value: "%s" }, purpose: "service" },
})
const again = await kindred.call("getProfile", {
  path: { profile_id: person.profile_id }, query: { purpose: "service", fields: ["traits.orders"] },
})
const events = await kindred.call("listEvents", {
  path: { profile_id: person.profile_id }, query: { purpose: "service", limit: 2 },
})
const refused = []
for (const purpose of ["service", "nonsense"]) {
  try {
    await kindred.call("lookupProfile", { body: { identifier: { type: "email", value: "no@example.org" }, purpose } })
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    refused.push([error.status, String(error).includes("@"), error.problem.type])
  }
}
console.log(JSON.stringify({ person, again, events, refused }))
"""


def test_its_files_are_those_of_the_document() -> None:
    for name, text in generated().items():
        assert (CLIENT / name).read_text(encoding="utf-8") == text, f"{name} is stale; this file's docstring says how"


def test_the_compiler_has_nothing_to_say_and_what_is_wrong_does_not_compile(tmp_path: Path) -> None:
    tsc = packages() / "typescript" / "bin" / "tsc"

    def compiled(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([NODE, tsc, *arguments], capture_output=True, text=True, timeout=300, check=False)

    done = compiled("-p", CLIENT, "--outDir", tmp_path / "dist")
    assert done.returncode == 0, done.stdout
    assert {path.name for path in (tmp_path / "dist").glob("*.js")} == {"index.js", "routes.js", "schema.js"}
    assert 'from "./routes.js"' in (tmp_path / "dist" / "index.js").read_text()
    for wrong, why in {
        'kindred.call("lookupPerson", {})': "no such operation",
        'kindred.call("lookupProfile", {})': "no body",
        'kindred.call("getProfile", { path: { profile_id: "a" }, query: {} })': "no purpose",
        '(await kindred.call("lookupProfile", { body })).attributs': "no such field",
    }.items():
        page = tmp_path / "wrong.ts"
        page.write_text(
            f'import {{ Kindred, type Asked }} from "{CLIENT}/index.ts"\n'
            f"declare const kindred: Kindred\ndeclare const body: Asked<'lookupProfile'>['body']\n"
            f'await kindred.call("lookupProfile", {{ body }})\nconsole.log({wrong.replace("(await", "(await", 1)})\n'
        )
        options = "--noEmit --strict --target ES2022 --module NodeNext --lib ES2022,DOM --allowImportingTsExtensions"
        (tmp_path / "package.json").write_text('{"type": "module"}')
        done = compiled(*options.split(), "--types", "", page)
        assert done.returncode != 0, why
        assert done.stdout.count("error TS") == 1, done.stdout


def test_node_reads_a_person_from_a_real_server(tmp_path: Path) -> None:
    with open_shop(tmp_path / "shop") as shop:
        key = create_key(shop.database, name="app", scopes={"profile:read"}, purposes=EVERY, at=datetime.now(UTC))
        script = tmp_path / "used.mjs"
        script.write_text(USED % ((CLIENT / "index.ts").as_uri(), ANN.email))
        environ = {**os.environ, "KINDRED_URL": shop.url, "KINDRED_KEY": key, "NODE_NO_WARNINGS": "1"}
        done = subprocess.run([NODE, script], env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["person"]["profile_id"] == ANN.id
    assert told["person"]["attributes"]["given_name"] == "Ann"
    assert told["again"]["traits"] == {"orders": 47}
    assert [event["kind"] for event in told["events"]["events"]] == ["order", "event"]
    assert told["refused"] == [
        [404, False, "urn:kindred:problem:profile-hidden"], [403, False, "urn:kindred:problem:purpose-refused"],
    ]  # fmt: skip


if __name__ == "__main__":
    for name, text in generated().items():
        (CLIENT / name).write_text(text, encoding="utf-8")
