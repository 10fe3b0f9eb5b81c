# One image for the API and the worker: `tracesvc api` (the default) or `tracesvc worker`.
FROM node:20-slim AS page
WORKDIR /build/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci
COPY web ./
RUN npm run build

# Not slim: it has a C compiler, for the module that reads lines.
FROM python:3.11 AS build
WORKDIR /build
COPY requirements.lock requirements-dev.lock ./
RUN sed -n '/^uv==/,/# via/p' requirements-dev.lock > uv.lock \
    && pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r uv.lock \
    && python -m venv --without-pip /opt/tracesvc \
    && uv pip install --python /opt/tracesvc/bin/python --no-cache --compile-bytecode \
        --require-hashes -r requirements.lock
COPY pyproject.toml LICENSE ./
COPY src src
COPY --from=page /build/src/tracesvc/web_dist src/tracesvc/web_dist
RUN uv pip install --python /opt/tracesvc/bin/python --no-cache --compile-bytecode --no-deps .

FROM python:3.11-slim
# A named volume on /data starts with the owner that the folder has here.
RUN useradd --system --uid 10001 --no-create-home tracesvc \
    && install -d -o tracesvc /data /var/lib/tracesvc
COPY --from=build /opt/tracesvc /opt/tracesvc
ENV PATH="/opt/tracesvc/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    TRACE_DATA_DIR=/var/lib/tracesvc \
    TRACE_LOG_FORMAT=json
USER tracesvc
WORKDIR /var/lib/tracesvc
VOLUME /var/lib/tracesvc
EXPOSE 8000 9100
# The API's; a worker's is in docker-compose.yml. Listening for others wants keys: TRACE_API_KEYS_FILE.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=3)"]
CMD ["tracesvc", "api", "--host", "0.0.0.0", "--port", "8000"]
