"""Tracing: one trace from the request that asked to the last attempt of the last step.

The rows are the trace. Ids of spans follow from ids of rows, so that a worker, an exporter and
whoever reads `GET /v1/jobs/{id}/trace` speak of the same spans without having talked to each other.
"""
