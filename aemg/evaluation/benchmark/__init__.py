"""The benchmark suite: named, versioned protocols, all methods in one harness, one row a method, person and seed."""

from aemg.evaluation.benchmark.config import BenchmarkConfig
from aemg.evaluation.benchmark.protocols import PROTOCOLS, Protocol, protocol_named
from aemg.evaluation.benchmark.run import benchmark

__all__ = ["PROTOCOLS", "BenchmarkConfig", "Protocol", "benchmark", "protocol_named"]
