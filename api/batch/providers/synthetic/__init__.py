"""A provider of made-up bars: deterministic, offline, and wrong only where it is told to be."""

from batch.providers.synthetic.faults import MANIFEST_SCHEMA, Fault, SyntheticFaults
from batch.providers.synthetic.provider import SyntheticProvider
from batch.providers.synthetic.splits import SPLIT_SCHEMA
from batch.providers.synthetic.transport import TransportFaults

__all__ = [
    "MANIFEST_SCHEMA",
    "SPLIT_SCHEMA",
    "Fault",
    "SyntheticFaults",
    "SyntheticProvider",
    "TransportFaults",
]
