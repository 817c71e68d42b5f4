"""Keys: read, hashed, found."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentaug.runtime.settings import Settings
from service.api import keys


def settings(**values: object) -> Settings:
    return Settings(**values)  # type: ignore[arg-type]


def test_without_keys_the_service_is_open() -> None:
    assert keys.load(settings()).open


def test_a_key_is_found_with_its_scopes_and_no_others() -> None:
    known = keys.load(settings(api_keys="alpha:infer+train,beta:admin"))

    alpha, beta = known.find("alpha"), known.find("beta")

    assert alpha is not None
    assert alpha.scopes == {"infer", "train"}
    assert beta is not None
    assert beta.scopes == {"admin"}
    assert known.find("gamma") is None
    assert not known.open


def test_a_made_key_is_found_by_its_hashed_line(tmp_path: Path) -> None:
    token, line = keys.new(["infer"])
    file = tmp_path / "keys"
    file.write_text(f"# holders\n\n{line}\n")

    known = keys.load(settings(api_keys_file=file))

    assert token not in line
    assert known.find(token) is not None
    assert known.find(line.split(":")[0]) is None  # the hash itself opens nothing


def test_a_plain_key_in_a_file_is_refused_without_showing_it(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("very-secret:infer\n")

    with pytest.raises(ValueError, match="plain key") as caught:
        keys.load(settings(api_keys_file=file))

    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize("entry", ["no-scope", "key:", "key:root", "key:infer+root", ":infer"])
def test_an_entry_that_is_no_key_is_refused_without_showing_it(entry: str) -> None:
    with pytest.raises(ValueError, match="key:scope") as caught:
        keys.load(settings(api_keys=entry))

    assert "no-scope" not in str(caught.value)


@pytest.mark.parametrize("value", ["", " , "])
def test_keys_that_are_set_but_empty_do_not_open_the_service(value: str) -> None:
    with pytest.raises(ValueError, match="LATENTAUG_API_KEYS has no key"):
        keys.load(settings(api_keys=value, host="0.0.0.0"))  # noqa: S104


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"\(LATENTAUG_API_KEYS_FILE\) cannot be read \(No such file or directory\)"),
        (b"# no key yet\n\n", r"\(LATENTAUG_API_KEYS_FILE\) has no key; make one"),
        (b"# holders\nsecret:infer\n", r"line 2 of .* \(LATENTAUG_API_KEYS_FILE\) holds a plain key"),
        (b"sha256$00:infer\n", r"line 1 of .* \(LATENTAUG_API_KEYS_FILE\)"),
        (b"\xff\xfe\x00", r"\(LATENTAUG_API_KEYS_FILE\) is not a file of text"),
    ],
)
def test_what_is_wrong_with_a_file_of_keys_is_said_with_its_setting(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ValueError, match=said) as caught:
        keys.load(settings(api_keys_file=file))

    assert str(file) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_folder_is_no_file_of_keys(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"LATENTAUG_API_KEYS_FILE\) cannot be read \(Is a directory\)"):
        keys.load(settings(api_keys_file=tmp_path))


def test_the_command_prints_a_key_and_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    keys.main(["new", "--scopes", "infer,train"])

    printed = capsys.readouterr().out
    token, line = (text.split(": ", 1)[1].strip() for text in printed.splitlines())
    assert line.endswith(":infer+train")
    assert keys.load(settings(api_keys=line)).find(token) is not None


def test_the_command_refuses_an_unknown_scope(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        keys.main(["new", "--scopes", "root"])

    assert "unknown scope root" in capsys.readouterr().err


def test_the_first_start_makes_a_key_with_every_scope_and_later_ones_keep_it(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "keys"

    token = keys.ensure(file)

    assert token is not None
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    found = keys.load(settings(api_keys_file=file)).find(token)
    assert found is not None
    assert found.scopes == set(keys.SCOPES)
    kept = file.read_text()
    assert keys.ensure(file) is None
    assert file.read_text() == kept
    assert [path.name for path in file.parent.iterdir()] == ["keys"]


def test_a_line_names_the_tenant_of_its_key() -> None:
    listed = "alpha:infer+train@acme,beta:infer,gamma:admin@*"
    with_tenants = keys.load(settings(api_keys=listed, tenants=True))
    without = keys.load(settings(api_keys=listed))

    found = {name: with_tenants.find(name) for name in ("alpha", "beta", "gamma")}

    assert found["alpha"] is not None
    assert (found["alpha"].tenant, found["alpha"].scopes) == ("acme", {"infer", "train"})
    assert found["beta"] is not None
    assert found["beta"].tenant == found["beta"].owner, "without a name it is a tenant of its own"
    assert found["gamma"] is not None
    assert found["gamma"].tenant is None, "it belongs to who runs the service"
    assert [key.tenant for name in found if (key := without.find(name))] == [None] * 3


@pytest.mark.parametrize("tenant", ["", "Acme", "a/b", "..", "a b", "x" * 65, "acme@acme"])
def test_a_tenant_that_has_no_name_is_refused(tenant: str) -> None:
    with pytest.raises(ValueError, match="small letters"):
        keys.load(settings(api_keys=f"key:infer@{tenant}"))


def test_the_command_makes_a_key_of_a_tenant(capsys: pytest.CaptureFixture[str]) -> None:
    keys.main(["new", "--scopes", "infer", "--tenant", "acme"])

    printed = capsys.readouterr().out
    token, line = (text.split(": ", 1)[1].strip() for text in printed.splitlines())
    found = keys.load(settings(api_keys=line, tenants=True)).find(token)
    assert found is not None
    assert found.tenant == "acme"
    with pytest.raises(SystemExit):
        keys.main(["new", "--scopes", "infer", "--tenant", "Acme Inc"])
    assert "no tenant can be named Acme Inc" in capsys.readouterr().err
