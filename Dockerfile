# Two stages: the wheel with the networks inside it, then a slim image that only has what running needs.
FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN python -m venv /tools \
 && /tools/bin/pip install --no-cache-dir --constraint requirements.lock --editable '.[convert]' build \
 && /tools/bin/screening models pull \
 && /tools/bin/python -m build --wheel --outdir /dist \
 && cp requirements.lock /dist/

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/dist,target=/dist \
    wheel=$(ls /dist/*.whl) \
 && pip install --no-cache-dir --constraint /dist/requirements.lock "$wheel[api]"
RUN useradd --system --uid 10001 --no-create-home screening \
 && install -d -o screening -g screening /data
USER 10001
# The root file system may be read-only: only the gate writes, to /data, and several processes their counters, to /tmp.
VOLUME /data
ENV SCREENING_HOST=0.0.0.0 SCREENING_PORT=8000 SCREENING_GATE_DB=/data/gate.sqlite3 \
    PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"SCREENING_PORT\"]}/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["screening", "serve"]
