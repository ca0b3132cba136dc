"""What an installation may choose, and the key that it keeps."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core import settings
from core.errors import InvalidSetting
from core.settings import Settings, index_key, load

SECRET = "a secret of at least 32 characters"


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SIYU_")]:
        monkeypatch.delenv(name)


def test_nothing_has_to_be_chosen() -> None:
    chosen = load()

    assert (chosen.host, chosen.port, chosen.log_url) == ("127.0.0.1", 8600, "postgres:")
    assert (chosen.data_dir, chosen.database_url, chosen.secret_key) == (Path(".siyu"), None, None)


def test_a_variable_sets_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIYU_PORT", "0")

    assert load().port == 0


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("SIYU_DATABASE_URI", "SIYU_DATABASE_URL"),
        ("SIYU_PROT", "SIYU_PORT"),
        ("SIYU_ADMIN_KEY_FIEL", "SIYU_ADMIN_KEY_FILE"),
        ("SIYU_PROT_FILE", "SIYU_PORT_FILE"),
    ],
)
def test_an_unknown_variable_is_an_error_that_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, unknown: str, nearest: str
) -> None:
    monkeypatch.setenv(unknown, SECRET)

    with pytest.raises(InvalidSetting, match=rf"{unknown} .*{nearest}\?") as refused:
        load()

    assert SECRET not in str(refused.value)


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIYUAN_PORT", "x")
    monkeypatch.setenv("SIYU_TEST_KAFKA", "x")

    assert load() == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("SIYU_PORT", SECRET), ("SIYU_PORT", "65536"), ("SIYU_LOG_PARTITIONS", "0"), ("SIYU_BATCH_EVENTS_MAX", "-1")],
)
def test_a_value_that_cannot_be_is_refused_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(InvalidSetting, match=f"^{name}: ") as refused:
        load()

    assert value not in str(refused.value)


def test_a_secret_is_read_from_the_file_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "admin"
    file.write_text(f"{SECRET}\n")
    monkeypatch.setenv("SIYU_ADMIN_KEY_FILE", str(file))

    chosen = load()

    assert chosen.admin_key is not None
    assert chosen.admin_key.get_secret_value() == SECRET


def test_what_a_file_says_is_checked_like_any_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("eighty")
    monkeypatch.setenv("SIYU_PORT_FILE", str(tmp_path / "port"))

    with pytest.raises(InvalidSetting, match="SIYU_PORT"):
        load()


def test_a_file_that_cannot_be_read_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIYU_SECRET_KEY_FILE", str(tmp_path / "missing"))
    with pytest.raises(InvalidSetting, match="SIYU_SECRET_KEY_FILE"):
        load()

    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("SIYU_SECRET_KEY_FILE", str(tmp_path / "binary"))
    with pytest.raises(InvalidSetting, match="SIYU_SECRET_KEY_FILE"):
        load()


def test_a_secret_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIYU_SECRET_KEY", "SIYU_ADMIN_KEY", "SIYU_DATABASE_URL"):
        monkeypatch.setenv(name, SECRET)

    chosen = load()

    assert SECRET not in f"{chosen!r} {chosen} {chosen.model_dump_json()} {chosen.model_dump()}"


def test_a_key_that_is_given_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIYU_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SIYU_SECRET_KEY", SECRET)

    assert index_key(load()) == SECRET.encode()
    assert [*tmp_path.iterdir()] == []


def test_a_key_that_is_too_short_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIYU_SECRET_KEY", "short secret")

    with pytest.raises(InvalidSetting, match="SIYU_SECRET_KEY") as refused:
        index_key(load())

    assert "short secret" not in str(refused.value)


def test_a_key_is_made_once_for_nobody_else_to_read(tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path / "new")

    made = index_key(chosen)

    assert len(made) >= 32
    assert index_key(chosen) == made
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["secret_key"]
    assert stat.S_IMODE((tmp_path / "new" / "secret_key").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "\n", "half of it"])
def test_a_damaged_key_is_no_key(tmp_path: Path, content: str) -> None:
    """Going on with it would give everybody another id."""
    (tmp_path / "secret_key").write_text(content)

    with pytest.raises(InvalidSetting, match="secret_key"):
        index_key(Settings(data_dir=tmp_path))


def test_processes_that_start_at_once_keep_the_same_key(tmp_path: Path) -> None:
    """Each waits for the same moment, so that all of them find that there is no key yet."""
    script = (
        "import sys, time; from pathlib import Path; from core.settings import Settings, index_key\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(index_key(Settings(data_dir=Path(sys.argv[1]))).decode())"
    )
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(settings.__file__).parent.parent,
        )
        for _ in range(3)
    ]
    for process in starting:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in starting:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()

    keys = {process.communicate(timeout=30)[0] for process in starting}

    assert keys == {index_key(Settings(data_dir=tmp_path)).decode() + "\n"}
