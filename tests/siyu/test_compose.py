"""What is written for containers: that it starts what exists, says no secret, and lets nothing in from outside."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from siyu.__main__ import app

ROOT = Path(__file__).parents[2]
SECRETS = ("POSTGRES_PASSWORD", "SIYU_SECRET_KEY", "SIYU_ADMIN_KEY")
OURS = ("api", "collect", "stitch")


@cache
def _compose() -> Mapping[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")))


@cache
def _dockerfile() -> list[list[str]]:
    """The Dockerfile, one list of lines for each stage."""
    stages: list[list[str]] = []
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line.startswith("FROM "):
            stages.append([])
        if line and not line.startswith("#"):
            stages[-1].append(line)
    return stages


def _in_image() -> set[str]:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    return {line[1:] for line in ignored if line.startswith("!")}


def test_there_are_five_services_and_three_of_them_are_ours() -> None:
    assert set(_compose()["services"]) == {"kafka", "postgres", *OURS}


@pytest.mark.parametrize("name", sorted(_compose()["services"]))
def test_every_service_is_watched_and_can_gain_no_rights(name: str) -> None:
    service = _compose()["services"][name]

    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service


@pytest.mark.parametrize("name", OURS)
def test_ours_write_to_no_disk_and_wait_for_what_they_need(name: str) -> None:
    services = _compose()["services"]

    assert services[name]["read_only"] is True
    assert all(needed["condition"] == "service_healthy" for needed in services[name]["depends_on"].values())
    assert set(services[name]["depends_on"]) == {"kafka", "postgres"}


def test_every_port_is_bound_to_loopback() -> None:
    ports = [port for service in _compose()["services"].values() for port in service.get("ports", [])]

    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_volume_is_named() -> None:
    mounted = [volume for service in _compose()["services"].values() for volume in service.get("volumes", [])]

    assert {volume.split(":")[0] for volume in mounted} == set(_compose()["volumes"])


def test_no_secret_has_a_default() -> None:
    written = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    variables = re.findall(r"\$\{([A-Z_]+)([^}]*)\}", written)
    values = {name: value for s in _compose()["services"].values() for name, value in s["environment"].items()}

    assert {name for name, rest in variables if rest.startswith(":?")} == set(SECRETS)
    assert all(rest.startswith(":?") for name, rest in variables if name in SECRETS)
    assert all("${" in str(value) for name, value in values.items() if re.search("PASSWORD|SECRET|KEY", name))


@pytest.mark.parametrize("name", OURS)
def test_every_service_runs_the_command_of_its_name(name: str) -> None:
    assert _compose()["services"][name]["command"] == [name]
    assert name in _commands()


def test_the_stitcher_is_watched_by_a_command_that_fails_where_something_is_wrong() -> None:
    assert _compose()["services"]["stitch"]["healthcheck"]["test"] == ["CMD", "siyu", "doctor", "--json"]
    assert "--json" in {option for parameter in _commands()["doctor"].params for option in parameter.opts}


def _commands() -> Mapping[str, Any]:
    known: Any = get_command(app)
    return dict(known.commands)


def test_the_image_runs_as_nobody_in_particular() -> None:
    *_, last = _dockerfile()
    users = [line.split()[1] for line in last if line.startswith("USER ")]

    assert len(_dockerfile()) == 2
    assert users == ["10001:10001"]
    assert any(line.startswith("HEALTHCHECK ") and "/readyz" in line for line in last)
    assert 'ENTRYPOINT ["siyu"]' in last


def test_the_image_holds_no_secret_and_nothing_but_the_package() -> None:
    lines = [line for stage in _dockerfile() for line in stage]

    assert not [line for line in lines if re.match(r"(ENV|ARG)\b.*(KEY|SECRET|PASSWORD|TOKEN)", line)]
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()[1] == "*"
    assert _in_image() >= {"pyproject.toml", "api", "bench", "core", "ingest", "profiles", "siyu", "stitcher"}


def test_docker_reads_it_as_it_is_meant() -> None:
    if shutil.which("docker") is None or _docker("version").returncode:
        pytest.skip("docker compose is not installed")

    assert _docker("config", "--quiet", **dict.fromkeys(SECRETS, "x")).returncode == 0
    assert _docker("config", "--quiet").returncode != 0


def _docker(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = ["docker", "compose", "--env-file", "/dev/null", "--file", str(ROOT / "docker-compose.yml"), *words]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    return subprocess.run(command, check=False, capture_output=True, env=kept | environment)
