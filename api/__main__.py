"""`python -m api`: start the service as its environment variables say."""

from __future__ import annotations

from .serve import serve

if __name__ == "__main__":
    serve()
