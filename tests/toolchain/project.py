"""A Pulumi project in a temporary folder, run by the real engine against `tiny_provider`."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.environment import full_environment
from sandbox.toolchain import pulumi_home
from tests.waits import PATIENCE_S

PROGRAM = """
import json, pulumi
config = pulumi.Config()

class Thing(pulumi.CustomResource):
    def __init__(self, name, props):
        super().__init__("tiny:index:Thing", name, props, pulumi.ResourceOptions(version="0.1.0"))

for name, props in config.require_object("things").items():
    Thing(name, props)
pulumi.export("count", len(config.require_object("things")))
"""


@dataclass
class Project:
    folder: Path

    @property
    def world(self) -> Path:
        return self.folder / "world"

    @property
    def backend(self) -> Path:
        return self.folder / "home" / "pulumi-state"

    def things(self) -> dict[str, dict]:
        return {path.stem: json.loads(path.read_text()) for path in self.world.glob("*.json")}

    def configure(self, **things: dict) -> None:
        """Sets what the program declares."""
        lines = ["encryptionsalt: " + SALT, "config:", "  small:things: " + json.dumps(things)]
        (self.folder / "Pulumi.test.yaml").write_text("\n".join(lines) + "\n")

    def program(self, text: str) -> None:
        (self.folder / "__main__.py").write_text(text)

    def environment(self) -> dict[str, str]:
        return full_environment(None) | {"TINY_WORLD": str(self.world)}

    def command(self, *arguments: str) -> list[str]:
        # No colour and no progress redraw: what is asserted on is the text.
        return ["pulumi", *arguments, "--non-interactive", "--color", "never"]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def pulumi(self, *arguments: str, status: int = 0) -> str:
        """Runs one command and returns what it printed; the exit status must be the given one."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            text=True,
            capture_output=True,
            timeout=PATIENCE_S,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == status, printed
        return printed


# Encrypts nothing: the check value of the passphrase "sandbox", so that no run writes one into the file.
SALT = "v1:6jV6K3tcC9s=:v1:8elhPa7zGhZmrLJf:B/wq3l7nKoZvuLDteZh5J/WmRA3Qgg=="


def create(folder: Path) -> Project:
    """Writes the project, the plugin and the stack."""
    project = Project(folder)
    project.world.mkdir()
    (folder / "Pulumi.yaml").write_text("name: small\nruntime: python\n")
    project.program(PROGRAM)
    project.configure()
    home = Path(project.environment()["PULUMI_HOME"])
    provider = Path(__file__).with_name("tiny_provider.py")
    pulumi_home.write_executable(
        home / "plugins" / "resource-tiny-v0.1.0" / "pulumi-resource-tiny",
        pulumi_home.python_shim(str(provider)),
    )
    project.pulumi("stack", "init", "test")
    return project
