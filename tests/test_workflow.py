"""GitHub accepts the workflow, its jobs call targets that make.py has, and only one of them may write."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import make

WORKFLOW = Path(__file__).resolve().parents[1] / ".github/workflows/tests.yml"
TEXT = WORKFLOW.read_text(encoding="utf-8")
JOBS = yaml.safe_load(TEXT)["jobs"]
GITHUB = "vendor.github-workflows"
TIMEOUTS = "custom.github-workflows-require-timeout"  # a job without one may hang for six hours


@pytest.mark.parametrize("schema", [GITHUB, TIMEOUTS])
def test_workflow_fits_the_schema(schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, WORKFLOW]  # downloads nothing
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_jobs_call_targets_of_make():
    commands = [step.get("run", "") for job in JOBS.values() for step in job["steps"]]
    called = re.findall(r"\bmake ([\w-]+)", "\n".join(commands))
    assert called and set(called) <= make.TARGETS.keys()


def test_only_pages_may_write():
    assert yaml.safe_load(TEXT)["permissions"] == {"contents": "read"}
    assert [name for name, job in JOBS.items() if "permissions" in job] == ["pages"]
