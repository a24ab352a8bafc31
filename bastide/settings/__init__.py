"""What a stack file may say: frozen models, every mistake reported at once.

`Settings.load(raw)` is the way in; `read_stack_file(path)` reads a stack file without Pulumi.
"""

from bastide.settings.base import UNRESOLVED
from bastide.settings.cluster import AddonVersions, ClusterSettings
from bastide.settings.errors import Problem, SettingsError
from bastide.settings.images import ImageSettings, ImagesSettings
from bastide.settings.load import decode, read_stack_file, refuse_unresolved
from bastide.settings.models import EngineSettings, ModelSettings, ModelStoreSettings
from bastide.settings.network import NetworkSettings
from bastide.settings.pools import PoolSettings, SystemPoolSettings
from bastide.settings.root import Environment, Settings

__all__ = [
    "UNRESOLVED",
    "AddonVersions",
    "ClusterSettings",
    "EngineSettings",
    "Environment",
    "ImageSettings",
    "ImagesSettings",
    "ModelSettings",
    "ModelStoreSettings",
    "NetworkSettings",
    "PoolSettings",
    "Problem",
    "Settings",
    "SettingsError",
    "SystemPoolSettings",
    "decode",
    "read_stack_file",
    "refuse_unresolved",
]
