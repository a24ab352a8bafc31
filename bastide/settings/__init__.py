"""What a stack file may say: frozen models, every mistake reported at once.

`load_layers` is the way in, over a stack's layers; `load_stack_file(stack_file(name))` reads a stack's files
without Pulumi.
"""

from bastide.settings.base import UNRESOLVED
from bastide.settings.cache import CacheSettings, CreatedCache, ExistingCache
from bastide.settings.cluster import AddonVersions, AdoptedCluster, ClusterSettings, CreatedCluster
from bastide.settings.database import CreatedDatabase, DatabaseSettings, ExistingDatabase
from bastide.settings.edge import EdgeSettings
from bastide.settings.engines import EngineSettings
from bastide.settings.errors import NoStackError, Problem, SettingsError
from bastide.settings.images import ImageSettings, ImagesSettings
from bastide.settings.load import decode, load_layers, load_stack_file, refuse_unresolved
from bastide.settings.model_store import AdoptedModelStore, CreatedModelStore, ModelStoreSettings
from bastide.settings.models import ModelSettings
from bastide.settings.network import AdoptedNetwork, CreatedNetwork, NetworkSettings
from bastide.settings.pools import PoolSettings, SystemPoolSettings
from bastide.settings.root import Environment, Settings
from bastide.settings.stack_files import (
    Layer,
    read_stack_file,
    refuse_ambiguous,
    shared_layers,
    siblings,
    stack_file,
)

__all__ = [
    "UNRESOLVED",
    "AddonVersions",
    "AdoptedCluster",
    "AdoptedModelStore",
    "AdoptedNetwork",
    "CacheSettings",
    "ClusterSettings",
    "CreatedCache",
    "CreatedCluster",
    "CreatedDatabase",
    "CreatedModelStore",
    "CreatedNetwork",
    "DatabaseSettings",
    "EdgeSettings",
    "EngineSettings",
    "Environment",
    "ExistingCache",
    "ExistingDatabase",
    "ImageSettings",
    "ImagesSettings",
    "Layer",
    "ModelSettings",
    "ModelStoreSettings",
    "NetworkSettings",
    "NoStackError",
    "PoolSettings",
    "Problem",
    "Settings",
    "SettingsError",
    "SystemPoolSettings",
    "decode",
    "load_layers",
    "load_stack_file",
    "read_stack_file",
    "refuse_ambiguous",
    "refuse_unresolved",
    "shared_layers",
    "siblings",
    "stack_file",
]
