"""The contract: the bundled OpenAPI document, our overlay, its operations, and strict parsing of request bodies."""

from jan_ort_openapi.body_errors import ContractError, MalformedBody, SchemaViolation, TooManyValues, Violation
from jan_ort_openapi.body_size import check_size
from jan_ort_openapi.document import load_spec, spec_bytes
from jan_ort_openapi.operations import Operation, operations
from jan_ort_openapi.parse import parse_body, validated

__all__ = [
    "ContractError",
    "MalformedBody",
    "Operation",
    "SchemaViolation",
    "TooManyValues",
    "Violation",
    "check_size",
    "load_spec",
    "operations",
    "parse_body",
    "spec_bytes",
    "validated",
]
